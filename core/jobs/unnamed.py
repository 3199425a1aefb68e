"""Blobs that no row of a run names: found by a walk through the store, remembered, deleted.

A file is written before the row that names it, so a young one may only be early: it is deleted
when it was found without a name long ago, has none now, and nobody has put it again meanwhile.
Every moment is the database's, so no clock of a store or a process matters. One that cannot be
deleted is tried again, later and later, and keeps no other from being deleted.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core import logs
from core.database.clock import now
from core.database.dialects import insert_or
from core.database.engine import Database
from core.database.models import Artifact, DerivedFile, InitialWeights, Snapshot, UnnamedBlob
from core.errors import DatabaseUnavailable, Unavailable
from core.storage.blobs import Blob, Storage, Stored

NAMING = (Snapshot, Artifact, DerivedFile, InitialWeights)
"""The tables whose rows name blobs; snapshots, which are replaced soonest, first."""

ANY = "*"
"""The version of a blob that nobody can put again: no other run has its bytes."""

UNKNOWN = ""
"""The version of a blob that was not looked at since its row was removed."""

DELETED_AT_ONCE = 50
WALKED_AT_ONCE = 500

PUT_TO_ROW_S = 3600.0
"""How long after a blob was put the row that names it has come, but where the database is away."""

FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 3600.0
FAILURES_IN_A_ROW = 3
"""After so many the store is taken for away, and the others wait until it was tried again."""

log = logs.get_logger(__name__)


def remember(session: Session, name: str, size: int, version: str, wait_s: float = 0.0) -> None:
    """Keep in mind that a blob is to be deleted, in so many seconds at the earliest."""
    values = {"version": version, "size": size, "found_at": now(), "due_at": now(wait_s)}
    values |= {"tries": 0, "error": None}
    session.execute(
        insert_or(session, UnnamedBlob)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=[UnnamedBlob.name], set_=values)
    )


def walk(database: Database, storage: Storage, position: str, age_s: float) -> str:
    """Look at some files of a store, and remember those that no row names.

    Args:
        database: whose rows name blobs.
        storage: the store.
        position: what the last call returned; empty: from the beginning.
        age_s: how long such a file is left alone.

    Returns:
        The position of the next call; empty: the walk is over.

    Raises:
        Unavailable: the store or the database is away.
    """
    files = list(islice(storage.files(position), WALKED_AT_ONCE))
    by_name = {file.name: file for file in files}
    with database.reading() as session:
        named = _named(session, by_name)
        marks = select(UnnamedBlob).where(UnnamedBlob.name.in_(list(by_name)))
        known = {mark.name: mark.version for mark in session.scalars(marks)}
    news = [
        file
        for file in files
        if file.name not in named and known.get(file.name) not in (file.version, ANY, UNKNOWN)
    ]
    if news or named & known.keys():
        with database.writing() as session:
            for file in news:
                remember(session, file.name, file.size, file.version, age_s)
            _forget(session, named & known.keys())
    return files[-1].name if len(files) == WALKED_AT_ONCE else ""


def delete_due(database: Database, storage: Storage) -> int:
    """Delete remembered blobs that are due, some at a time. Any number of processes may do so.

    Returns:
        How many of them are settled: deleted, or named by a row after all.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    with database.reading() as session:
        due = session.scalars(
            select(UnnamedBlob)
            .where(UnnamedBlob.due_at <= now())
            .order_by(UnnamedBlob.due_at, UnnamedBlob.name)
            .limit(DELETED_AT_ONCE)
        ).all()
    settled, failures = 0, 0
    for blob in due:
        try:
            _settle(database, storage, blob)
            settled, failures = settled + 1, 0
        except DatabaseUnavailable:
            raise
        except Unavailable as error:
            _put_off(database, blob, error)
            failures += 1
            if failures == FAILURES_IN_A_ROW:
                break
    return settled


def _settle(database: Database, storage: Storage, blob: UnnamedBlob) -> None:
    """Delete a blob, unless it has a name now or was put again since it was found."""
    with database.reading() as session:
        is_named = bool(_named(session, [blob.name]))
    if not is_named and blob.version == ANY:
        storage.delete(Blob(blob.name, blob.size))
    elif not is_named:
        file = storage.look(blob.name)
        if file is not None and blob.version == UNKNOWN:
            _wait_for_rows(database, file, PUT_TO_ROW_S)
            return
        was_put_again = file is not None and blob.version != file.version
        if file is not None and (was_put_again or not storage.discard(file)):
            _wait_for_rows(database, file, PUT_TO_ROW_S)
            return
    with database.writing() as session:
        _forget(session, [blob.name])


def _wait_for_rows(database: Database, file: Stored, wait_s: float) -> None:
    with database.writing() as session:
        remember(session, file.name, file.size, file.version, wait_s)


def _put_off(database: Database, blob: UnnamedBlob, error: Unavailable) -> None:
    """Try a blob again later, and write down why."""
    pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(blob.tries, 20))
    log.warning("blob_not_deleted", name=blob.name, tries=blob.tries + 1, reason=str(error))
    with database.writing() as session:
        session.execute(
            update(UnnamedBlob)
            .where(UnnamedBlob.name == blob.name)
            .values(due_at=now(pause_s), tries=UnnamedBlob.tries + 1, error=str(error))
            .execution_options(synchronize_session=False)
        )


def _named(session: Session, names: Collection[str]) -> set[str]:
    """Which of some blobs a row names."""
    found: set[str] = set()
    for table in NAMING:
        column = table.sha256
        rows = session.scalars(select(column).where(column.in_(list(names))))
        found.update(name for name in rows if name is not None)
    return found


def _forget(session: Session, names: Collection[str]) -> None:
    session.execute(
        delete(UnnamedBlob)
        .where(UnnamedBlob.name.in_(list(names)))
        .execution_options(synchronize_session=False)
    )
