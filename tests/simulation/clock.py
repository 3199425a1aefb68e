"""Clocks that stand still until a test moves them: that of the database, and that of the hosts.

The hosts' is the one that nobody sets (`host_clock`, `elapsed`, `monotonic`): it says how long
something took. What reads it by the name of its module is given this one.

`core/database/clock.now` asks SQLite's `strftime` and PostgreSQL's `clock_timestamp`. Both can be
covered by a function of one's own: SQLite takes one for a connection, PostgreSQL looks for it in
the order of the search path. So what runs is what runs elsewhere, to the last statement.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from unittest import mock

import psycopg
from sqlalchemy import event

from core import housekeeping
from core.database.engine import Database
from core.jobs import recorder

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
    """The clocks around one database, as long as it is used as a context manager.

    It must be entered before the database has any connection.
    """

    def __init__(self, database: Database) -> None:
        self.moment = BEGINNING
        """By the database, to the millisecond."""
        self._elapsed_ms = 0
        self._engine = database.engine
        self._is_sqlite = database.engine.dialect.name == "sqlite"
        self._server: psycopg.Connection | None = None
        self._covers = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if not self._is_sqlite:
            address = self._engine.url.render_as_string(hide_password=False)
            plain = address.replace("postgresql+psycopg://", "postgresql://")
            self._server = psycopg.connect(plain, autocommit=True)
            self._server.execute(_OF_POSTGRESQL)
        self._engine.dispose()
        event.listen(self._engine, "connect", self._cover)
        self._covers.enter_context(mock.patch.object(recorder, "host_clock", self.elapsed))
        self._covers.enter_context(mock.patch.object(housekeeping, "time", self))
        return self

    def __exit__(self, *_: object) -> None:
        self._covers.close()
        event.remove(self._engine, "connect", self._cover)
        self._engine.dispose()
        if self._server is not None:
            self._server.execute(f"DROP SCHEMA {_SCHEMA} CASCADE")
            self._server.close()

    def elapsed(self) -> float:
        """Seconds by the clock of every host, which nobody sets."""
        return self._elapsed_ms / 1000

    monotonic = elapsed
    """By its name in the module `time`."""

    def advance(self, seconds: float) -> None:
        """Let time pass, by every clock."""
        self._elapsed_ms += round(seconds * 1000)
        self.step(seconds)

    def step(self, seconds: float) -> None:
        """Set the database's clock by so much; no time passes."""
        self.set(self.moment + timedelta(milliseconds=round(seconds * 1000)))

    def set(self, moment: datetime) -> None:
        """Set the database's clock to a moment."""
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
