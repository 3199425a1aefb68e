"""How Alembic reaches the database: by the address that `engine.upgrade` hands over."""

from __future__ import annotations

import sqlite3
from typing import Literal

from alembic import context
from sqlalchemy import Connection, event, inspect
from sqlalchemy.exc import OperationalError

from core import settings
from core.database.engine import Database
from core.database.models import Base
from core.database.types import StoredMessage, UTCDateTime

FIRST = ("workers", "jobs")
"""The tables that are locked first."""
LONGEST_WAIT_S = 60
TRIES = 5
DEADLOCK = "40P01"


def render_item(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write our own column types as plain ones: a migration must not change with the models."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, StoredMessage):
        return "sa.Text()"
    return False


def is_compared(
    _object: object, name: str | None, kind: str, _is_reflected: bool, _other: object
) -> bool:
    """Leave out the index in which SQLite does not tell that one column descends."""
    return not (kind == "index" and name == "ix_jobs_claim" and is_sqlite)


def lock_tables(connection: Connection) -> None:
    """Have all tables to ourselves before the first is changed; others wait until the end.

    An earlier release may still run, and holds tables until its transactions end: workers before
    jobs, jobs before what belongs to them. Locked in this order nobody waits crosswise with it.
    Whoever takes another order may, and PostgreSQL then ends one of the two: if it is us, we ask
    again.
    """
    if set(context.get_context().get_current_heads()) == set(context.script.get_heads()):
        return
    there = set(inspect(connection).get_table_names()) - {"alembic_version"}
    names = [each for each in FIRST if each in there] + sorted(there - set(FIRST))
    if not names:
        return
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LONGEST_WAIT_S}s'")
    for tries_left in reversed(range(TRIES)):
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(
                    f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE"
                )
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != DEADLOCK or not tries_left:
                raise
        else:
            return


address = context.config.attributes.get("address") or settings.load().database_address


def leave_foreign_keys_alone(connection: sqlite3.Connection, _record: object) -> None:
    """Let SQLite copy a table without deleting what refers to it."""
    connection.execute("PRAGMA foreign_keys = OFF")


database = Database(address)
is_sqlite = database.engine.dialect.name == "sqlite"
if is_sqlite:
    event.listen(database.engine, "connect", leave_foreign_keys_alone)
with (
    database,
    database.engine.execution_options(trainyard_writes=True).connect() as connection,
):
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_item=render_item,
        include_object=is_compared,
        render_as_batch=True,  # SQLite changes a table by copying it
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # two starting processes may both upgrade: the second waits for the first
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(727)")
            lock_tables(connection)
        context.run_migrations()
        then = context.config.attributes.get("then")
        if then is not None:
            then(connection)
    connection.commit()
