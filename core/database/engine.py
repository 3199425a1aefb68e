"""The database: one engine a process, two kinds of transaction, the database's own clock.

SQLite runs with a write-ahead log, and a writing transaction takes the write lock when it
begins (`BEGIN IMMEDIATE`), so that what it read cannot change before it writes.
"""

from __future__ import annotations

import functools
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    InvalidatePoolError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from core.database import search
from core.errors import DatabaseUnavailable
from core.messages import Message, message

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy.pool import ConnectionPoolEntry

MIGRATIONS = Path(__file__).parents[2] / "migrations"
BUSY_TIMEOUT_S = 20.0
CONNECT_TIMEOUT_S = 5
LOST_AFTER_S = 11
KEEPALIVES = {"idle": 5, "interval": 2, "count": 3}
"""Seconds, seconds, times: client and server notice in about `LOST_AFTER_S` that the other, or the
network between them, has vanished without a word."""
TRUSTED_FOR_S = 1.0
"""A connection that was used so lately is used again without a look whether it still stands."""
IDLE_IN_TRANSACTION_S = 10
"""Transactions here last milliseconds."""

log = logging.getLogger(__name__)


class Database:
    """A way to the tables. Opens nothing until the first transaction."""

    def __init__(self, address: str, pool_size: int = 20) -> None:
        self.engine = _engine(address, pool_size)
        self.info: dict[str, Any] = {}
        """What a process keeps beside its transactions: the `info` of each session."""
        self._reading = self._repeatable = self.engine
        if self.is_postgresql:
            # statements that read by themselves begin nothing and roll nothing back: two round
            # trips less, and a rollback would make psycopg forget the statements it has prepared
            self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            self._repeatable = self.engine.execution_options(isolation_level="REPEATABLE READ")
        self._writing = self._writing_at_once = self.engine.execution_options(trainyard_writes=True)
        if self.is_postgresql:
            self._writing_at_once = self._reading.execution_options(trainyard_writes=True)

    @contextmanager
    def reading(self, *, repeatable: bool = False) -> Iterator[Session]:
        """A session that only reads.

        Args:
            repeatable: all its statements see the database at one moment (REPEATABLE READ), instead
                of each the moment at which it begins. SQLite always reads so.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        engine = self._repeatable if repeatable else self._reading
        with _translated(), Session(engine, expire_on_commit=False, info=self.info) as session:
            yield session
            session.commit()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed at the end of the block, or not at all.

        Raises:
            DatabaseUnavailable: the database does not answer; whether a commit took place is
                then not known.
        """
        with _committed(self._writing) as session:
            yield session

    @contextmanager
    def writing_at_once(self) -> Iterator[Session]:
        """A session for one statement that writes, which PostgreSQL commits as it ends.

        So no lock that the statement takes is held until the answer is here and a commit is sent.

        Raises:
            DatabaseUnavailable: the database does not answer; whether the statement took place is
                then not known.
        """
        with _committed(self._writing_at_once) as session:
            yield session

    def check(self) -> None:
        """Raise `DatabaseUnavailable` unless the database answers."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL; else it is SQLite."""
        return self.engine.dialect.name == "postgresql"

    def is_absent(self) -> bool:
        """Whether its file is not there, which the first transaction would make."""
        file = self.engine.url.database
        is_sqlite = self.engine.dialect.name == "sqlite"
        return is_sqlite and file is not None and not Path(file).exists()

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()


def upgrade(
    address: str, revision: str = "head", then: Callable[[Connection], None] | None = None
) -> None:
    """Bring the tables up to date by Alembic's migrations.

    Args:
        address: of the database.
        revision: how far.
        then: what is done at the end of the same transaction: all of it happens, or nothing.
    """
    url = make_url(address)
    if url.get_backend_name() == "sqlite" and url.database:
        # it is mostly the home folder, in which others have nothing to read
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # its import takes as long as a third of the web's start, and the web does not need it
    import alembic.command  # noqa: PLC0415

    config = alembic_config(address)
    config.attributes["then"] = then
    with _translated():
        alembic.command.upgrade(config, revision)


def revision_of(connection: Connection) -> str:
    """The revision that a database's tables have."""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def newest_revision() -> str:
    """The revision of the tables that this release uses."""
    return str(_scripts().get_current_head())


def knows_revision(revision: str) -> bool:
    """Whether this release, or an earlier one, has a revision."""
    return revision in {script.revision for script in _scripts().walk_revisions()}


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return ScriptDirectory.from_config(alembic_config(""))


def alembic_config(address: str) -> Config:
    """Alembic's configuration for a database address: there is no ini file."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["address"] = address
    return config


def storable(text: str) -> str:
    """Text that both databases take: PostgreSQL refuses NUL."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")


def _engine(address: str, pool_size: int) -> Engine:
    url = make_url(address)
    if url.get_backend_name() == "postgresql":
        engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_S,
                "tcp_user_timeout": LOST_AFTER_S * 1000,
                **{f"keepalives_{name}": value for name, value in KEEPALIVES.items()},
            },
        )
        event.listen(engine, "connect", _prepare_postgresql)
        _ping_idle(engine)
        return engine
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=10,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _ping_idle(engine: Engine) -> None:
    """Look whether a connection still stands before it is used again after a while.

    SQLAlchemy's `pool_pre_ping` asks each time: a round trip more for every transaction.
    """

    def checkin(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    def checkout(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        idle_s = time.monotonic() - record.info.get("idle_since", math.inf)
        if idle_s > TRUSTED_FOR_S and not _answers(engine, connection):
            raise InvalidatePoolError  # the pool makes another

    event.listen(engine, "checkin", checkin)
    event.listen(engine, "checkout", checkout)


def _answers(engine: Engine, connection: Any) -> bool:
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False


_OF_SESSIONS = {
    "jit": "off",
    "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_S * 1000,
    "tcp_user_timeout": LOST_AFTER_S * 1000,
    **{f"tcp_keepalives_{name}": value for name, value in KEEPALIVES.items()},
}
"""Have the server compile no statement: ours take milliseconds, and compiling one hundreds, which
it does where it takes a small table for a large one, before it has counted the rows. And have it
let go of rows that a client holds who has vanished, or stands still."""


def _prepare_postgresql(connection: Any, _record: object) -> None:
    """Set up a session; behind a pooler leave nothing in it that the next transaction may lack.

    A pooler such as PgBouncer gives each transaction any of its own sessions. What is set or
    prepared in one is not there in the next, and what is set there reaches other programs.
    """
    with connection.cursor() as cursor:
        if is_pooled(connection, cursor):
            connection.prepare_threshold = None
            _tell_of_pooler()
        else:
            settings = ", ".join(
                f"set_config('{n}', '{v}', false)" for n, v in _OF_SESSIONS.items()
            )
            cursor.execute(f"SELECT {settings}")
    connection.commit()


def is_pooled(connection: Any, cursor: Any) -> bool:
    """Whether a pooler stands before PostgreSQL: it told us another process than we talk to."""
    cursor.execute("SELECT pg_backend_pid()")
    [process_id] = cursor.fetchone()
    return bool(process_id != connection.info.backend_pid)


@functools.cache
def _tell_of_pooler() -> None:
    log.warning(
        "A pooler stands before PostgreSQL: no statement is prepared, and no time limit is set. "
        "Set idle_transaction_timeout = %d in its configuration.",
        IDLE_IN_TRANSACTION_S,
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, below
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("translate", 3, search.translate, deterministic=True)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("trainyard_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


_AWAY: tuple[type[Exception], ...] = (
    OperationalError,
    InterfaceError,
    DisconnectionError,
    PoolTimeout,
)

_AWAY_STATES = {
    "42P01": "a table is not there",
    "42703": "a column is not there",
    "25006": "it only reads for now",
    "25P03": "it ended a transaction in which nothing happened",
}
"""What PostgreSQL says, by SQLSTATE, where the driver's classes do not say that it is away."""


@contextmanager
def _committed(engine: Engine) -> Iterator[Session]:
    with _translated(), Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _AWAY as error:
        raise DatabaseUnavailable(_reason(error)) from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if error.connection_invalidated or state in _AWAY_STATES:
            raise DatabaseUnavailable(_reason(error)) from error
        raise


def _reason(error: Exception) -> Message:
    cause = getattr(error, "orig", None) or error
    first_line = str(cause).strip().splitlines()[0] if str(cause).strip() else repr(cause)
    hint: Callable[[str], bool] = first_line.__contains__
    if hint("no such ") or ("FATAL" not in first_line and hint("does not exist")):
        return message("database.no_tables", detail=first_line)
    if hint("disk is full"):
        return message("database.disk_full", detail=first_line)
    return message("database.no_answer", detail=first_line)
