"""Restoring a backup, where there is nothing yet.

First the blobs, then the tables with all their rows in one move: a database that is there has all
of them, and their blobs. Whoever is killed before begins again.

A run that was running when the backup was made is running by its rows, with a lease that is long
over. The housekeeping takes it back as it does from any worker that is lost, and it resumes from
its newest snapshot.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, inspect, make_url, text

from core.backups import manifest as manifests
from core.backups import rows
from core.backups.manifest import BLOBS, Manifest
from core.database.engine import Database, knows_revision, upgrade
from core.errors import BackupFailed
from core.messages import message
from core.storage.blobs import Blob, Storage

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored."""

    manifest: Manifest

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.manifest.tables.values())


def restore(folder: Path, address: str, storage: Storage) -> Restored:
    """Restore a backup into an empty database and an empty store.

    Args:
        folder: of the backup.
        address: of the database, of either kind.
        storage: the store. Files that this backup names may be there: an earlier try left them.

    Raises:
        BackupFailed: there is no whole backup, or it is damaged, or there is something already;
            the database is as it was.
        Unavailable: the database or the store is away.
    """
    manifest = manifests.read(folder)
    if not knows_revision(manifest.schema):
        raise BackupFailed(message("backup.of_later_release", folder=str(folder)))
    _refuse_damaged_rows(folder, manifest)
    blobs = manifests.read_list(folder, manifest)
    _refuse_used_database(address)
    storage.check()
    _refuse_used_store(storage, {blob.sha256 for blob in blobs})
    _put(storage, folder, blobs)
    with _appearing_whole(address) as scratch:
        upgrade(scratch, manifest.schema, partial(_load, folder=folder, manifest=manifest))
        upgrade(scratch)
    return Restored(manifest)


def _refuse_damaged_rows(folder: Path, manifest: Manifest) -> None:
    for name, table in manifest.tables.items():
        path = folder / manifest.rows / f"{name}{rows.END}"
        if rows.digest(path) != table.sha256:
            raise BackupFailed(message("backup.damaged", path=str(path)))


def _refuse_used_database(address: str) -> None:
    with Database(address, pool_size=1) as database:
        if database.is_absent():
            return
        with database.reading() as session:
            tables = set(inspect(session.connection()).get_table_names())
    used = sorted(tables - {"alembic_version"})  # Alembic makes it before its transaction begins
    if used:
        raise BackupFailed(message("backup.used_database", table=used[0]))


def _refuse_used_store(storage: Storage, names: set[str]) -> None:
    for file in storage.files():
        if file.name.partition(".")[0] not in names:
            raise BackupFailed(message("backup.used_store", name=file.name))


@contextlib.contextmanager
def _appearing_whole(address: str) -> Iterator[str]:
    """The address at which to make a database, so that it is there whole or not at all.

    On PostgreSQL making the tables and their rows is one transaction. On SQLite it is not, so a
    file beside the database gets its name when it is done.
    """
    url = make_url(address)
    if url.get_backend_name() != "sqlite":
        yield address
        return
    path = Path(url.database or "")
    scratch = path.with_name(f"{path.name}.restoring")
    _remove(scratch)
    try:
        yield url.set(database=str(scratch)).render_as_string()
        _remove(path)  # without tables, as was looked at
        scratch.replace(path)
        manifests.sync(path.parent)
    finally:
        _remove(scratch)


def _remove(path: Path) -> None:
    """Remove a SQLite file, and what lies beside it."""
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _put(storage: Storage, folder: Path, blobs: Sequence[Blob]) -> None:
    """Copy blobs into a store, which reads each and gives its digest."""

    def put(blob: Blob) -> None:
        path = folder / BLOBS / blob.sha256[:2] / blob.sha256
        if not path.is_file() or storage.put(path) != blob:
            raise BackupFailed(message("backup.damaged", path=str(path)))

    with ThreadPoolExecutor(AT_ONCE, "restore") as pool:
        for _ in pool.map(put, blobs):
            pass


def _load(connection: Connection, folder: Path, manifest: Manifest) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    rows.load(connection, folder / manifest.rows, list(manifest.tables))
    rows.continue_sequences(connection, manifest.sequences)
