"""Snapshots: the newest two are kept, and a blob goes before its row."""

import pytest
from sqlalchemy import select, update

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Snapshot, UnnamedBlob
from core.errors import DatabaseUnavailable
from core.jobs import lifecycle, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.jobs.snapshots import KEPT, SWEPT_AT_ONCE, SnapshotRef
from core.spec import presets
from core.storage.folder import Folder
from tests.core.conftest import lose_the_answer_to_the_next_commit


@pytest.fixture
def job_id(database):
    return lifecycle.submit(database, LOCAL_OWNER, name="job", spec=presets.resolve("quick", {})).id


@pytest.fixture
def store(storage, tmp_path):
    """Puts a file of its own into the blob store."""

    def put(text):
        path = tmp_path / "snapshot"
        path.write_text(str(text))
        return storage.put(path)

    return put


def add(database, job_id, store, *steps, attempt=1):
    for step in steps:
        snapshot = SnapshotRef(step // 10, step, store(f"{job_id} {attempt} {step}"))
        with database.writing() as session:
            snapshots.add(session, job_id, attempt, snapshot)


def usable(database, job_id):
    with database.reading() as session:
        return [snapshot.step for snapshot in snapshots.newest_first(session, job_id)]


def rows(database):
    with database.reading() as session:
        return session.scalars(select(Snapshot)).all()


def unnamed_blobs(database):
    with database.reading() as session:
        return session.scalars(select(UnnamedBlob)).all()


def make_due(database):
    with database.writing() as session:
        session.execute(update(UnnamedBlob).values(due_at=now()))


def blobs(storage):
    return [path for path in storage.folder.rglob("*") if path.is_file()]


def test_the_newest_two_are_kept_and_older_ones_discarded(database, job_id, store):
    add(database, job_id, store, 10, 20, 30, 40)

    assert usable(database, job_id) == [40, 30]
    assert sorted(row.step for row in rows(database) if row.discarded_at) == [10, 20]


def test_a_snapshot_tells_its_epochs_and_its_blob(database, job_id, store):
    add(database, job_id, store, 25)

    with database.reading() as session:
        [snapshot] = snapshots.newest_first(session, job_id)
    assert (snapshot.epoch, snapshot.step, snapshot.blob) == (2, 25, store(f"{job_id} 1 25"))


def test_snapshots_of_one_job_leave_those_of_another_alone(database, job_id, store):
    other = lifecycle.submit(
        database, LOCAL_OWNER, name="other", spec=presets.resolve("quick", {})
    ).id
    add(database, job_id, store, 10, 20)
    add(database, other, store, 10, 20, 30)

    assert usable(database, job_id) == [20, 10]
    with database.writing() as session:
        snapshots.discard(session, other)
    assert (usable(database, job_id), usable(database, other)) == ([20, 10], [])


def test_snapshots_beyond_a_step_are_discarded_and_those_up_to_it_stay(database, job_id, store):
    add(database, job_id, store, 10, 20)

    with database.writing() as session:
        snapshots.discard(session, job_id, after_step=10)

    assert usable(database, job_id) == [10]


def test_an_attempt_that_comes_by_the_same_step_again_comes_first(database, job_id, store):
    add(database, job_id, store, 10, 20)
    add(database, job_id, store, 20, attempt=2)

    with database.reading() as session:
        newest = snapshots.newest_first(session, job_id)[0]
    assert newest.blob == store(f"{job_id} 2 20")


def test_discarding_again_changes_nothing(database, job_id, store):
    add(database, job_id, store, 10)
    with database.writing() as session:
        snapshots.discard(session, job_id)
    [before] = rows(database)
    with database.writing() as session:
        snapshots.discard(session, job_id)

    assert rows(database)[0].discarded_at == before.discarded_at


def test_a_snapshot_whose_answer_was_lost_can_be_written_again(database, job_id, store):
    add(database, job_id, store, 10)
    lose_the_answer_to_the_next_commit(database)
    with pytest.raises(DatabaseUnavailable):
        add(database, job_id, store, 20)

    add(database, job_id, store, 20)

    assert usable(database, job_id) == [20, 10]
    assert len(rows(database)) == KEPT


def test_a_sweep_deletes_discarded_blobs_and_their_rows_and_no_others(
    database, job_id, store, storage
):
    add(database, job_id, store, 10, 20, 30)
    assert len(blobs(storage)) == 3

    while snapshots.sweep(database, storage):
        pass

    assert sorted(row.step for row in rows(database)) == [20, 30]
    assert len(blobs(storage)) == 2
    assert snapshots.sweep(database, storage) == 0


def test_a_sweep_takes_some_at_a_time(database, job_id, store, storage):
    add(database, job_id, store, *range(1, SWEPT_AT_ONCE + 6))
    with database.writing() as session:
        snapshots.discard(session, job_id)

    snapshots.sweep(database, storage)
    assert len(rows(database)) == 5
    snapshots.sweep(database, storage)
    assert rows(database) == []
    assert blobs(storage) == []


def test_a_sweep_that_was_cut_off_is_finished_by_the_next(database, job_id, store, storage):
    add(database, job_id, store, 10)
    with database.writing() as session:
        snapshots.discard(session, job_id)
    storage.delete(store(f"{job_id} 1 10"))  # and then its process was killed

    while snapshots.sweep(database, storage):
        pass
    assert rows(database) == []
    assert unnamed_blobs(database) == []


def test_two_that_sweep_at_once_do_no_harm(database, database_address, job_id, store, storage):
    add(database, job_id, store, 10, 20, 30)
    with Database(database_address) as other:

        class Interrupted(Folder):
            def delete(self, blob):
                snapshots.sweep(other, storage)
                super().delete(blob)

        snapshots.sweep(database, Interrupted(storage.folder))

    assert usable(database, job_id) == [30, 20]
    assert len(rows(database)) == len(blobs(storage)) == 2


def test_while_the_store_is_away_the_blob_keeps_a_row(database, job_id, store, storage, tmp_path):
    add(database, job_id, store, 10, 20, 30)
    (tmp_path / "in the way").write_text("a file")

    snapshots.sweep(database, Folder(tmp_path / "in the way"))

    [left] = unnamed_blobs(database)
    assert (left.name, left.tries) == (store(f"{job_id} 1 10").sha256, 1)
    assert "Not a directory" in left.error
    assert snapshots.sweep(database, storage) == 0  # it is not due yet
    make_due(database)
    assert snapshots.sweep(database, storage) == 1
    assert len(blobs(storage)) == 2


def test_one_blob_that_cannot_be_deleted_stops_no_other(database, job_id, store, storage):
    """Whatever is in its place: here a folder, which no `unlink` removes."""
    add(database, job_id, store, *range(1, SWEPT_AT_ONCE + 8))
    with database.writing() as session:
        snapshots.discard(session, job_id)
    stubborn = store(f"{job_id} 1 1")
    place = storage.folder / stubborn.sha256[:2] / stubborn.sha256
    place.unlink()
    place.mkdir()

    while snapshots.sweep(database, storage):
        pass

    assert blobs(storage) == []
    assert rows(database) == []
    [left] = unnamed_blobs(database)
    assert (left.name, left.tries) == (stubborn.sha256, 1)
    place.rmdir()
    make_due(database)
    assert snapshots.sweep(database, storage) == 1
    assert unnamed_blobs(database) == []
