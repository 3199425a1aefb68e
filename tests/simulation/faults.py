"""A database whose calls fail: before they are done, after a long wait, or once they are committed.

A call is a statement or a COMMIT, as the driver sees it; the error is the driver's own, so that
what is tried is all of `core/database/engine.py` too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self, get_args

from sqlalchemy import event

from core.database.engine import BUSY_TIMEOUT_S, Database
from tests.simulation.clock import SimulatedClock

FaultKind = Literal["fails", "times out", "loses the answer"]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)


class FaultyCalls:
    """Counts the calls to one database, and makes some of them fail."""

    def __init__(self, database: Database, clock: SimulatedClock) -> None:
        self.calls = 0
        """Calls so far."""
        self.happened = 0
        """Calls that failed so far."""
        self.is_away = False
        """Whether every call fails: somebody is cut off."""
        self.meanwhile: Callable[[], None] | None = None
        """What others do between a COMMIT and the answer to it that is lost."""
        self._engine = database.engine
        self._error: type[Exception] = database.engine.dialect.loaded_dbapi.OperationalError
        self._clock = clock
        self._planned: dict[int, FaultKind] = {}
        self._loses_next_commit = False
        self._writes = False
        self._is_off = False
        self._commit: Callable[[Any], None] = self._engine.dialect.do_commit

    def __enter__(self) -> Self:
        event.listen(self._engine, "do_execute", self._execute)
        event.listen(self._engine, "do_executemany", self._execute)
        self._engine.dialect.do_commit = self._do_commit
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "do_execute", self._execute)
        event.remove(self._engine, "do_executemany", self._execute)
        del self._engine.dialect.do_commit

    def plan(self, call: int, kind: FaultKind) -> None:
        """Make a call fail, by its number; the first one is 1."""
        self._planned[call] = kind

    def plan_next_commit(self) -> None:
        """Let the next COMMIT of what was written take place, and its answer be lost."""
        self._loses_next_commit = True

    def forget(self) -> None:
        """Count from 1 again; nothing is planned."""
        self.withdraw()
        self.calls = self.happened = 0

    def withdraw(self) -> None:
        """Let every call succeed from here on."""
        self._planned.clear()
        self.is_away = self._loses_next_commit = False

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Calls within the block are neither counted nor fail."""
        before, self._is_off = self._is_off, True
        try:
            yield
        finally:
            self._is_off = before

    def _execute(self, cursor: Any, _statement: str, _values: Any, context: Any) -> None:
        self._writes = "trainyard_writes" in context.execution_options
        if self._next_fault():
            self._break(cursor.connection)

    def _do_commit(self, connection: Any) -> None:
        kind = self._next_fault()
        if self._loses_next_commit and self._writes and not self._is_off:
            kind, self._loses_next_commit = "loses the answer", False
        raw = getattr(connection, "dbapi_connection", connection)
        if kind == "loses the answer":
            self._commit(connection)
            if self.meanwhile is not None:
                with self.suspended():
                    self.meanwhile()
        if kind:
            self._break(raw)
        self._commit(connection)

    def _next_fault(self) -> FaultKind | None:
        if self._is_off:
            return None
        self.calls += 1
        kind = self._planned.pop(self.calls, "fails" if self.is_away else None)
        if kind == "times out":
            self._clock.advance(BUSY_TIMEOUT_S)
        self.happened += kind is not None
        return kind

    def _break(self, connection: Any) -> None:
        """Break a connection, as its client sees it."""
        if self._engine.dialect.name == "postgresql":
            connection.close()  # the server rolls back what was not committed
        raise self._error("the connection is gone: a fault of the simulation")
