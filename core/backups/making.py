"""Making a backup, while everything runs.

First the rows, all at one moment, then the blobs that they name. A blob never changes, so it does
not matter when it is copied, unless it is deleted meanwhile: a run that trains replaces its
snapshots. The rows are then read once more. Most of the blobs are there by now, so a later round is
a short one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core import versions
from core.backups import manifest as manifests
from core.backups import rows
from core.backups.manifest import BLOBS, LIST, ROWS, Manifest, Table
from core.database.clock import now
from core.database.engine import Database, newest_revision, revision_of
from core.database.instance import instance_of
from core.errors import BackupFailed, NotFound
from core.jobs.unnamed import NAMING
from core.messages import message
from core.storage.blobs import IS_BLOB, Blob, Storage

ROUNDS = 8
AT_ONCE = 8
"""Blobs that are copied at a time: an object store answers each after some milliseconds."""
PART_BYTES = 1024 * 1024
LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made."""

    manifest: Manifest
    copied: int
    """Blobs that were not in the folder before."""
    bytes: int
    """Of those."""

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.manifest.tables.values())


@dataclass(frozen=True, slots=True)
class _Copy:
    """The rows as they are at one moment."""

    schema: str
    instance: str
    made_at: str
    tables: dict[str, Table]
    sequences: dict[str, int]
    named: list[Blob]


def make(database: Database, storage: Storage, folder: Path) -> Made:
    """Make a backup in a folder, or bring the one that is there up to date.

    Raises:
        BackupFailed: the folder holds something else, cannot be written, or another backup is
            being made in it; what was there is as it was.
        Unavailable: the database or the store is away.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(folder):
            _refuse_other_content(folder)
            return _make(database, storage, folder)
    except OSError as error:
        detail = error.strerror or str(error)
        raise BackupFailed(
            message("backup.not_writable", folder=str(folder), detail=detail)
        ) from error


def _make(database: Database, storage: Storage, folder: Path) -> Made:
    newest = folder / f"{ROWS}{secrets.token_hex(6)}"
    newest.mkdir(mode=0o700)
    try:
        copied: list[Blob] = []
        for _ in range(ROUNDS):
            copy = _read(database, folder, newest)
            lacking = _copy_blobs(storage, folder, copy.named, copied)
            if not lacking:
                break
        made = _write(database, folder, newest, copy, sorted(lacking))
    except BaseException:
        shutil.rmtree(newest, ignore_errors=True)
        raise
    _tidy(folder, newest, {blob.sha256 for blob in copy.named})
    return Made(made, len(copied), sum(blob.size for blob in copied))


def _read(database: Database, folder: Path, newest: Path) -> _Copy:
    with database.reading(repeatable=True) as session:
        connection = session.connection()
        if connection.dialect.name == "postgresql":  # a disk may stand still for a while
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        schema = revision_of(connection)
        if schema != newest_revision():
            raise BackupFailed(message("backup.other_schema"))
        instance = instance_of(session)
        _refuse_other_instance(folder, instance)
        moment = session.scalars(select(now())).one()
        tables = rows.dump(connection, newest)
        # read last: those of PostgreSQL belong to no transaction, and may only be ahead
        given = rows.sequences(connection)
        return _Copy(schema, instance, moment.isoformat(), tables, given, list(_named(session)))


def _named(session: Session) -> Iterator[Blob]:
    """The blobs that rows name, each once: first those that are replaced soonest."""
    seen: set[str] = set()
    for table in NAMING:
        query = select(table.sha256, table.size).where(table.sha256.is_not(None))
        if hasattr(table, "discarded_at"):
            query = query.where(table.discarded_at.is_(None))
        for sha256, size in session.execute(query):
            if sha256 is not None and size is not None and sha256 not in seen:
                seen.add(sha256)
                yield Blob(sha256, size)


def _copy_blobs(
    storage: Storage, folder: Path, named: Iterable[Blob], copied: list[Blob]
) -> set[str]:
    """Copy what is not there yet; gives the names of those that could not be had."""
    missing = [blob for blob in named if not _is_there(_place(folder, blob), blob)]
    for blob in missing:
        _place(folder, blob).parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE, "backup") as pool:
        results = list(pool.map(lambda blob: _copy(storage, folder, blob), missing))
    copied += [blob for blob, is_whole in zip(missing, results, strict=True) if is_whole]
    for changed in {_place(folder, blob).parent for blob in missing}:
        manifests.sync(changed)
    return {blob.sha256 for blob, is_whole in zip(missing, results, strict=True) if not is_whole}


def _is_there(place: Path, blob: Blob) -> bool:
    """Whether a blob was copied before: it got its name when its digest was found right."""
    try:
        return place.stat().st_size == blob.size
    except FileNotFoundError:
        return False


def _copy(storage: Storage, folder: Path, blob: Blob) -> bool:
    """Copy a blob; False where the store has none with its digest."""
    place = _place(folder, blob)
    scratch = place.with_name(f"{blob.sha256}.{secrets.token_hex(6)}.part")
    found = hashlib.sha256()
    try:
        with storage.open(blob) as source, scratch.open("xb") as target:
            while part := source.read(PART_BYTES):
                found.update(part)
                target.write(part)
            target.flush()
            os.fsync(target.fileno())
        if found.hexdigest() != blob.sha256:
            return False
        scratch.replace(place)
    except NotFound:
        return False
    finally:
        scratch.unlink(missing_ok=True)
    return True


def _write(
    database: Database, folder: Path, newest: Path, copy: _Copy, lacking: list[str]
) -> Manifest:
    kept = [blob for blob in copy.named if blob.sha256 not in lacking]
    listed = manifests.write_list(newest / LIST, kept)
    for path in newest.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    manifests.sync(newest)
    made = Manifest(
        trainyard=versions.own(),
        schema=copy.schema,
        instance=copy.instance,
        made_at=copy.made_at,
        database=database.engine.dialect.name,
        rows=newest.name,
        tables=copy.tables,
        sequences=copy.sequences,
        blobs=len(kept),
        bytes=sum(blob.size for blob in kept),
        blob_list=listed,
        lacking=lacking,
    )
    made.write(folder)
    return made


def _tidy(folder: Path, newest: Path, named: set[str]) -> None:
    """Remove what only earlier backups in this folder needed, and what was cut off."""
    for path in folder.iterdir():
        if path.name.startswith(ROWS) and path != newest:
            shutil.rmtree(path, ignore_errors=True)
    for path in (folder / BLOBS).glob("[0-9a-f][0-9a-f]/*"):
        name = path.name.partition(".")[0]
        if IS_BLOB(name) and (path.name != name or name not in named):
            path.unlink(missing_ok=True)


def _refuse_other_content(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    ours = (manifests.NAME, ROWS)
    foreign = [each for each in names if each not in (LOCK, BLOBS) and not each.startswith(ours)]
    if foreign:
        raise BackupFailed(message("backup.other_content", folder=str(folder), name=foreign[0]))


def _refuse_other_instance(folder: Path, instance: str) -> None:
    if not (folder / manifests.NAME).exists():
        return
    if manifests.read(folder).instance != instance:
        raise BackupFailed(message("backup.other_instance", folder=str(folder)))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        with FileLock(folder / LOCK, timeout=0):
            yield
    except Timeout:
        raise BackupFailed(message("backup.in_use", folder=str(folder))) from None


def _place(folder: Path, blob: Blob) -> Path:
    return folder / BLOBS / blob.sha256[:2] / blob.sha256
