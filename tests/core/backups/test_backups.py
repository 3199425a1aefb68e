"""Backups: whole, of one moment, and restored only where there is nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text, update

from core import backups
from core.backups import making, manifest, rows
from core.backups.manifest import Manifest
from core.database import engine
from core.database.clock import now
from core.database.engine import Database
from core.database.models import (
    Artifact,
    Base,
    Duty,
    Job,
    LogLine,
    MetricSegment,
    Snapshot,
)
from core.errors import BackupFailed, DatabaseUnavailable, Unavailable
from core.jobs import claim, deletion, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.unnamed import NAMING
from core.messages import message
from core.spec.presets import resolve
from core.storage import store
from core.storage.folder import Folder


@pytest.fixture
def put(storage, tmp_path):
    """Stores bytes as a blob."""

    def store_bytes(content: bytes):
        path = tmp_path / "some file"
        path.write_bytes(content)
        return storage.put(path)

    return store_bytes


@pytest.fixture
def submit(database):
    def ask(name="a run"):
        return lifecycle.submit(database, LOCAL_OWNER, name=name, spec=resolve("quick", {}))

    return ask


@pytest.fixture
def named(database, put):
    """Gives a run a snapshot, an artifact, and odd rows: of bytes, of text, of nothing."""

    def give(job_id: int, content: bytes):
        snapshot, artifact = put(b"snapshot " + content), put(b"artifact " + content)
        with database.writing() as session:
            at = {"created_at": now(), "epoch": 1}
            of = {"job_id": job_id, "attempt": 1}
            for row, blob in (
                (Snapshot(step=9, **of, **at), snapshot),
                (_artifact(of | at), artifact),
            ):
                row.sha256, row.size = blob.sha256, blob.size
                session.add(row)
            line = LogLine(**of, number=1, time=datetime.now(UTC), level="info", text='日 "\\ \n')
            segment = MetricSegment(
                **of, first_step=1, last_step=2, start=1, count=2, data=bytes(range(256))
            )
            session.add_all([line, segment])
        return snapshot, artifact

    return give


def _artifact(values):
    return Artifact(kind="checkpoint", format="pt", filename="model.pt", **values)


@pytest.fixture
def filled(database, claimant, submit, named):
    """A run that runs, with files; one with a message; the last was purged."""
    submit("it runs")
    claim.claim(database, claimant, 30)
    files = named(1, b"of run 1")
    submit("it failed")
    gone = submit("it is gone")
    deletion.delete(database, gone.id, LOCAL_OWNER, 0)
    deletion.purge(database)
    with database.writing() as session:
        reason = message("stop.time_limit", limit_s=60.0)
        session.execute(update(Job).where(Job.id == 2).values(stop_reason=reason))
    return files


def content(database):
    """All rows, as the models read them."""
    with database.reading() as session:
        return {
            table.name: sorted(map(repr, session.execute(select(table)).all()))
            for table in Base.metadata.sorted_tables
        }


@pytest.fixture
def empty(tmp_path):
    """The address of an empty database."""
    return f"sqlite:///{tmp_path / 'new home' / 'trainyard.db'}"


@pytest.fixture
def other_kind(database_kind, empty, request):
    """The address of an empty database of the other kind."""
    if database_kind == "postgresql":
        return empty
    return request.getfixturevalue("postgres").new_database()


on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


@pytest.fixture
def elsewhere(tmp_path):
    return Folder(tmp_path / "other store")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "backup"


def test_a_backup_restored_into_the_other_kind_of_database_has_every_row_and_every_blob(
    database, storage, filled, folder, other_kind, elsewhere
):
    made = backups.make(database, storage, folder)
    restored = backups.restore(folder, other_kind, elsewhere)

    assert made.rows == restored.rows > 10
    assert {file.name for file in elsewhere.files()} == {blob.sha256 for blob in filled}
    with Database(other_kind) as other:
        assert content(other) == content(database)
        new = lifecycle.submit(other, LOCAL_OWNER, name="next", spec=resolve("quick", {}))
        assert new.id == 4, "the number of a run that is gone is not given again"
    with elsewhere.open(filled[0]) as file:
        assert file.read() == b"snapshot of run 1"


@on_sqlite
def test_a_backup_goes_from_and_to_an_object_store(
    s3, database, claimant, submit, tmp_path, folder
):
    bucket = store.connect(f"s3://blobs/{tmp_path.name}/one")
    path = tmp_path / "file"
    path.write_bytes(b"weights" * 100_000)
    blob = bucket.put(path)
    submit()
    with database.writing() as session:
        values = {"job_id": 1, "attempt": 1, "epoch": 1, "created_at": now()}
        session.add(_artifact(values | {"sha256": blob.sha256, "size": blob.size}))
    target = store.connect(f"s3://blobs/{tmp_path.name}/two")

    assert backups.make(database, bucket, folder).bytes == 700_000
    backups.restore(folder, f"sqlite:///{tmp_path / 'new.db'}", target)

    with target.open(blob) as file:
        assert hashlib.sha256(file.read()).hexdigest() == blob.sha256


@on_sqlite
def test_a_second_backup_copies_new_blobs_and_drops_what_nobody_names(
    database, storage, filled, named, submit, folder
):
    first = backups.make(database, storage, folder)
    submit()
    newer = named(3 + 1, b"of the next run")
    with database.writing() as session:
        session.execute(update(Snapshot).where(Snapshot.job_id == 1).values(discarded_at=now()))

    second = backups.make(database, storage, folder)

    assert (first.copied, second.copied) == (2, 2)
    kept = {file.name for file in Folder(folder / manifest.BLOBS).files()}
    assert kept == {filled[1].sha256, *(blob.sha256 for blob in newer)}
    assert len(list(folder.glob("rows-*"))) == 1
    assert (folder.stat().st_mode & 0o777, second.manifest.lacking) == (0o700, [])


@on_sqlite
def test_a_backup_that_is_interrupted_leaves_no_folder_that_looks_whole(
    database, storage, filled, named, submit, folder, empty, elsewhere, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(making, "_copy_blobs", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            backups.make(database, storage, folder)
    with pytest.raises(BackupFailed, match="no whole backup"):
        backups.restore(folder, empty, elsewhere)
    backups.make(database, storage, folder)
    submit("after the backup")
    with monkeypatch.context() as patched:
        patched.setattr(Manifest, "write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            backups.make(database, storage, folder)

    backups.restore(folder, empty, elsewhere)

    with Database(empty) as other, other.reading() as session:
        assert session.scalars(select(Job.name).order_by(Job.id)).all() == ["it runs", "it failed"]


class Hasty(Folder):
    """A store in which a snapshot is replaced in the moment in which it is to be copied."""

    def __init__(self, folder, then):
        super().__init__(folder)
        self.then = then

    def open(self, blob):
        then, self.then = self.then, lambda: None
        then()
        return super().open(blob)


@on_postgresql
def test_a_blob_that_is_deleted_meanwhile_is_replaced_by_what_rows_name_then(
    database, storage, filled, put, folder, empty, elsewhere
):
    newer = put(b"a newer snapshot")

    def replace_it():
        storage.delete(filled[0])
        with database.writing() as session:
            values = {"step": 10, "sha256": newer.sha256, "size": newer.size}
            session.execute(update(Snapshot).values(**values))

    made = backups.make(database, Hasty(storage.folder, replace_it), folder)
    backups.restore(folder, empty, elsewhere)

    assert made.manifest.lacking == []
    with Database(empty) as other, other.reading() as session:
        assert session.scalars(select(Snapshot.sha256)).one() == newer.sha256
    assert {file.name for file in elsewhere.files()} == {newer.sha256, filled[1].sha256}


@on_sqlite
def test_a_blob_that_the_store_has_damaged_is_told_and_keeps_no_backup_from_being_made(
    database, storage, filled, folder, empty, elsewhere
):
    path = storage.folder / filled[1].sha256[:2] / filled[1].sha256
    path.write_bytes(b"another")

    made = backups.make(database, storage, folder)
    restored = backups.restore(folder, empty, elsewhere)

    assert made.manifest.lacking == restored.manifest.lacking == [filled[1].sha256]


@on_sqlite
def test_nothing_is_restored_over_a_database_or_a_store_that_is_used(
    database, database_address, storage, filled, put, folder, empty, elsewhere, tmp_path
):
    backups.make(database, storage, folder)
    with pytest.raises(BackupFailed, match=r"database is not empty"):
        backups.restore(folder, database_address, elsewhere)
    put(b"a file of somebody")
    with pytest.raises(BackupFailed, match=r"store is not empty"):
        backups.restore(folder, empty, storage)
    assert list(elsewhere.files()) == []


@pytest.mark.parametrize("what", ["rows", "a blob", "the manifest", "the list"])
@on_sqlite
def test_a_damaged_backup_is_refused_and_makes_no_tables(
    database, storage, filled, folder, elsewhere, tmp_path, what
):
    made = backups.make(database, storage, folder).manifest
    path = {
        "rows": folder / made.rows / "jobs.jsonl.gz",
        "a blob": folder / "blobs" / filled[0].sha256[:2] / filled[0].sha256,
        "the manifest": folder / manifest.NAME,
        "the list": folder / made.rows / manifest.LIST,
    }[what]
    path.write_bytes(path.read_bytes()[:-5])
    address = f"sqlite:///{tmp_path / 'new.db'}"

    with pytest.raises(BackupFailed, match="damaged"):
        backups.restore(folder, address, elsewhere)

    with Database(address) as other, pytest.raises(DatabaseUnavailable, match="no such table"):
        content(other)


def test_a_restore_that_breaks_off_leaves_no_tables_and_is_done_again(
    database, storage, filled, folder, other_kind, elsewhere, monkeypatch
):
    backups.make(database, storage, folder)
    with monkeypatch.context() as patched:
        patched.setattr("core.backups.rows.continue_sequences", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            backups.restore(folder, other_kind, elsewhere)

    backups.restore(folder, other_kind, elsewhere)

    with Database(other_kind) as other:
        assert content(other) == content(database)


@on_sqlite
def test_a_folder_with_something_else_or_of_another_trainyard_is_refused(
    database, storage, filled, folder, tmp_path
):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    with pytest.raises(BackupFailed, match=r"something else \(cat.png\)"):
        backups.make(database, storage, tmp_path / "photos")
    backups.make(database, storage, folder)
    address = f"sqlite:///{tmp_path / 'other.db'}"
    engine.upgrade(address)
    with Database(address) as other, pytest.raises(BackupFailed, match="another Trainyard"):
        backups.make(other, storage, folder)


@on_sqlite
def test_a_backup_of_a_later_release_is_refused(database, storage, folder, empty, elsewhere):
    backups.make(database, storage, folder)
    path = folder / manifest.NAME
    stored = json.loads(path.read_text())
    for change in ({"format": 99}, {"schema": "9999"}):
        path.write_text(json.dumps(stored | change))
        with pytest.raises(BackupFailed, match="later release"):
            backups.restore(folder, empty, elsewhere)


@on_sqlite
def test_a_backup_of_an_earlier_schema_is_brought_up_to_date(
    database, storage, folder, empty, elsewhere, tmp_path
):
    made = backups.make(database, storage, folder).manifest
    earlier = f"sqlite:///{tmp_path / 'earlier.db'}"
    engine.upgrade(earlier, "0019")
    with Database(earlier) as old, old.writing() as session:
        session.execute(
            text("INSERT INTO duties VALUES ('walk', '2026-01-01 00:00:00.000000', 'a')")
        )
        tables = rows.dump(session.connection(), folder / made.rows)
    replace(made, schema="0019", tables=tables).write(folder)

    backups.restore(folder, empty, elsewhere)

    with Database(empty) as new, new.reading() as session:
        assert session.scalars(select(Duty.position)).all() == ["a"]
        assert engine.revision_of(session.connection()) == engine.newest_revision()


@on_sqlite
def test_a_store_that_is_away_fails_the_backup_and_says_so(database, storage, filled, folder):
    class Away(Folder):
        def open(self, blob):
            raise Unavailable(message("storage.not_readable", detail="gone"))

    with pytest.raises(Unavailable, match="gone"):
        backups.make(database, Away(storage.folder), folder)
    assert not (folder / manifest.NAME).exists()


def test_every_table_whose_rows_name_blobs_is_known():
    with_digests = {
        table.name
        for table in Base.metadata.sorted_tables
        if {"sha256", "size"} <= set(table.columns.keys())
    }
    assert with_digests == {table.__tablename__ for table in NAMING}
