"""A clock of the database that stands still until a test moves it.

`core/database/clock.now` asks SQLite's `strftime` and PostgreSQL's `clock_timestamp`. Both can be
covered by a function of one's own: SQLite takes one for a connection, PostgreSQL looks for it in
the order of the search path. So what runs is what runs elsewhere, to the last statement.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import psycopg
from sqlalchemy import event

from core.database.engine import Database

BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)

_FORMAT = "%Y-%m-%d %H:%M:%f"
_SCHEMA = "simulated"
_OF_POSTGRESQL = f"""
DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE;
CREATE SCHEMA {_SCHEMA};
CREATE TABLE {_SCHEMA}.clock (moment timestamptz NOT NULL);
INSERT INTO {_SCHEMA}.clock VALUES ('{BEGINNING.isoformat()}');
CREATE FUNCTION {_SCHEMA}.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
    AS 'SELECT moment FROM {_SCHEMA}.clock';
"""


class SimulatedClock:
    """The clock of one database, as long as it is used as a context manager.

    It must be entered before the database has any connection.
    """

    def __init__(self, database: Database) -> None:
        self.moment = BEGINNING
        """By the database, to the millisecond."""
        self._engine = database.engine
        self._is_sqlite = database.engine.dialect.name == "sqlite"
        self._server: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        if not self._is_sqlite:
            address = self._engine.url.render_as_string(hide_password=False)
            plain = address.replace("postgresql+psycopg://", "postgresql://")
            self._server = psycopg.connect(plain, autocommit=True)
            self._server.execute(_OF_POSTGRESQL)
        self._engine.dispose()
        event.listen(self._engine, "connect", self._cover)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "connect", self._cover)
        self._engine.dispose()
        if self._server is not None:
            self._server.execute(f"DROP SCHEMA {_SCHEMA} CASCADE")
            self._server.close()

    def advance(self, seconds: float) -> None:
        """Let time pass; a negative number sets the clock back."""
        self.set(self.moment + timedelta(milliseconds=round(seconds * 1000)))

    def set(self, moment: datetime) -> None:
        """Set the clock to a moment."""
        self.moment = moment
        if self._server is not None:
            self._server.execute(f"UPDATE {_SCHEMA}.clock SET moment = %s", [moment])

    def _cover(self, connection: Any, _record: object) -> None:
        if self._is_sqlite:
            connection.create_function("strftime", -1, self._strftime)
            return
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {_SCHEMA}, pg_catalog, public")
        connection.commit()

    def _strftime(self, form: str, base: str, *offsets: str) -> str:
        if (form, base) != (_FORMAT, "now"):
            raise ValueError(f"the simulated clock does not know strftime({form!r}, {base!r})")
        moment = self.moment
        for offset in offsets:
            found = re.fullmatch(r"([+-]\d+\.\d{3}) seconds", offset)
            assert found, offset
            moment += timedelta(milliseconds=round(float(found[1]) * 1000))
        return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"
