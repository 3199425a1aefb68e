"""Addresses are compiled once for all applications of a test process.

Werkzeug compiles two functions for each of our addresses, by which they are built, whenever an
application is made: nine tenths of what making one costs, and a third of a web test. They depend
on the address alone, so one application's serve the next. Half of what is left is spent on taking
each address apart, by an expression that finds the same parts every time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest
from werkzeug.routing import Rule, rules

_compiled: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}
_compile = Rule._compile_builder


def compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    """The function that builds an address: made before, or made now."""
    defaults = repr(sorted((rule.defaults or {}).items()))
    key = (rule.rule, tuple(rule._trace), defaults, append_unknown)
    if key not in _compiled:
        _compiled[key] = _compile(rule, append_unknown)
    return _compiled[key]


class PartsOnce:
    """Stands for the expression that finds the parts of an address, and finds each once."""

    def __init__(self, expression: re.Pattern[str]) -> None:
        self.match = cache(expression.match)


def keep_compiled_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each application of this process use what was compiled before."""
    monkeypatch.setattr(Rule, "_compile_builder", compile_once)
    monkeypatch.setattr(rules, "_part_re", PartsOnce(rules._part_re))
