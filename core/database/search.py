"""Text within text, as each database finds it fastest."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class holds(FunctionElement[bool]):  # noqa: N801  (reads as a function of SQL)
    """Whether a column holds a text, as it is: no character of it stands for others.

    A LIKE takes twice as long on PostgreSQL.
    """

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: QueryableAttribute[str] | ColumnElement[str], text: str) -> None:
        super().__init__(column, literal(text, String))


@compiles(holds, "postgresql")
def _holds_postgresql(element: holds, compiler: SQLCompiler, **options: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **options)}) > 0)"


@compiles(holds, "sqlite")
def _holds_sqlite(element: holds, compiler: SQLCompiler, **options: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **options)}) > 0)"
