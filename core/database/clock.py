"""The database's own clock: no process may decide by its own what time it is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Float, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from core.database.types import UTCDateTime


class now(FunctionElement[Any]):  # noqa: N801  (reads as the SQL function that it is)
    """The moment by the database's clock, `offset` seconds from it. UTC.

    The offset may be a parameter of the statement, of type `Float`.
    """

    type = UTCDateTime()
    inherit_cache = True

    def __init__(self, offset: float | BindParameter[float] = 0.0) -> None:
        is_parameter = isinstance(offset, BindParameter)
        super().__init__(offset if is_parameter else literal(float(offset), Float))


@compiles(now, "postgresql")
def _now_postgresql(element: now, compiler: SQLCompiler, **options: Any) -> str:
    # clock_timestamp moves inside a transaction; now() would not
    offset = compiler.process(element.clauses, **options)
    return f"(clock_timestamp() + make_interval(secs => {offset}))"


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: SQLCompiler, **options: Any) -> str:
    # the six decimals that SQLAlchemy writes, so that texts compare as times do
    offset = compiler.process(element.clauses, **options)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', printf('%+.3f seconds', {offset})) || '000')"
