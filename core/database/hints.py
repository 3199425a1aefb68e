"""Hints for the planner of SQLite, which keeps no counts of what the tables hold."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class in_passing(FunctionElement[Any]):  # noqa: N801  (reads as a function of SQL)
    """A column that is looked at in passing: by its value no index is to be chosen.

    SQLite else takes an index for each filter that has one, and sorts what it finds by it.
    """

    inherit_cache = True

    def __init__(self, column: QueryableAttribute[Any]) -> None:
        self.type = column.type
        super().__init__(column)


@compiles(in_passing)
def _as_it_is(element: in_passing, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(in_passing, "sqlite")
def _without_its_index(element: in_passing, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"
