"""Statements are compiled once for all databases of a test process.

Each test has a database of its own, and with that an engine for which SQLAlchemy compiles every
statement again: a seventh of what a web test costs. What comes of it depends on the statement and
on the kind of database, so what one engine has compiled serves the next. To SQLAlchemy each engine
is a dialect of its own, by which it looks up; here engines of one driver are one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.util import LRUCache

from core.database import engine as database_module

MOST = 5000
"""Statements of one driver. All tests together have fewer."""


class SharedCache(LRUCache[Any, Any]):
    """What SQLAlchemy looks up by `(dialect, statement, ...)`, for every engine of a driver."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key[1:], value)


_compiled: defaultdict[str, SharedCache] = defaultdict(lambda: SharedCache(MOST))
_create = database_module.create_engine


def create_engine(*arguments: Any, **more: Any) -> Engine:
    """An engine that uses what was compiled before."""
    made = _create(*arguments, **more)
    made._compiled_cache = _compiled[made.dialect.driver]
    return made


def keep_compiled_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each database of this process use what was compiled before."""
    monkeypatch.setattr(database_module, "create_engine", create_engine)
