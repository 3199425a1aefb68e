"""Where the two databases want to be asked differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def is_postgresql(session: Session) -> bool:
    """Whether a session talks to PostgreSQL; else it talks to SQLite."""
    return session.get_bind().dialect.name == "postgresql"


def insert_or(session: Session, table: type[Any]) -> postgresql.Insert | sqlite.Insert:
    """An insert that can say what becomes of a row whose key is taken.

    Both databases have `on_conflict_do_nothing` and `on_conflict_do_update`; SQLAlchemy has them in
    a construct of each.
    """
    return postgresql.insert(table) if is_postgresql(session) else sqlite.insert(table)
