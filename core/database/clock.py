"""The database's own clock, and its count of transactions: what no process may decide by itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Float, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from core.database.types import UTCDateTime


class now(FunctionElement[Any]):  # noqa: N801  (reads as the SQL function that it is)
    """The moment by the database's clock, `offset` seconds from it. UTC."""

    type = UTCDateTime()
    inherit_cache = True

    def __init__(self, offset: float = 0.0) -> None:
        super().__init__(literal(float(offset), Float))


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


class this_transaction(FunctionElement[Any]):  # noqa: N801  (reads as an SQL function)
    """The number of the transaction that is running; 0 on SQLite, which has one writer."""

    type = BigInteger()
    inherit_cache = True


@compiles(this_transaction, "postgresql")
def _this_postgresql(_element: Any, _compiler: SQLCompiler, **_options: Any) -> str:
    return "pg_current_xact_id()::text::bigint"


@compiles(this_transaction, "sqlite")
def _this_sqlite(_element: Any, _compiler: SQLCompiler, **_options: Any) -> str:
    return "0"


class oldest_running_transaction(FunctionElement[Any]):  # noqa: N801  (reads as an SQL function)
    """The lowest number of a transaction that may still write. PostgreSQL alone has several."""

    type = BigInteger()
    inherit_cache = True


@compiles(oldest_running_transaction, "postgresql")
def _oldest_postgresql(_element: Any, _compiler: SQLCompiler, **_options: Any) -> str:
    return "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
