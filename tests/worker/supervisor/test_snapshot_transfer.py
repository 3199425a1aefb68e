"""Snapshots on their way into the file store and back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core import workers
from core.database.models import Job
from core.errors import Unavailable
from core.jobs import claim, snapshots
from core.jobs.claim import Claimant
from core.jobs.recorder import Recorder
from core.protocol.reports import Line, Saved
from core.workers import WorkerFacts
from worker.supervisor import snapshot_transfer
from worker.supervisor.snapshot_transfer import SnapshotTransfer


@pytest.fixture
def lease(database, submit):
    submit()
    facts = WorkerFacts("w", 1, "0", ["default"], [], 1)
    claimant = Claimant(workers.register(database, facts), ["default"])
    return claim.claim(database, claimant, 60)


@pytest.fixture
def recorder(database, lease):
    return Recorder(database, lease, 60)


@pytest.fixture
def save(tmp_path):
    def written(step):
        path = tmp_path / f"resume-{step}.pt"
        path.write_text(f"after {step} batches")
        return Saved(epoch=0, step=step, path=str(path))

    return written


def kept(database, lease):
    with database.reading() as session:
        return [snapshot.step for snapshot in snapshots.newest_first(session, lease.job_id)]


def test_a_snapshot_is_stored_written_down_and_fetched(
    database, storage, lease, recorder, save, tmp_path
):
    stored = threading.Event()
    saved = save(10)
    with SnapshotTransfer(storage, recorder, stored.set) as transfer:
        transfer.take(saved)
        assert stored.wait(60)
        transfer.settle()
    recorder.flush()

    path, lines = snapshot_transfer.fetch(database, storage, lease, tmp_path)

    assert kept(database, lease) == [10]
    assert path.read_text() == "after 10 batches"
    assert lines == []
    assert not (tmp_path / "resume-10.pt").exists()


def test_while_one_is_stored_only_the_newest_waits(
    database, storage, lease, recorder, save, monkeypatch
):
    released = threading.Event()
    put = storage.put

    def slow(path):
        assert released.wait(60)
        return put(path)

    monkeypatch.setattr(storage, "put", slow)
    with SnapshotTransfer(storage, recorder, lambda: None) as transfer:
        for step in (10, 20, 30):
            transfer.take(save(step))
        assert not transfer.wait(0)
        released.set()
        while not transfer.wait(1):
            pass
    recorder.flush()

    assert kept(database, lease) == [30, 10]


def test_a_store_that_is_away_is_logged_once_and_the_next_snapshot_is_tried(
    database, storage, lease, recorder, save, monkeypatch
):
    put = storage.put
    answers = iter([Unavailable("The store is away."), Unavailable("The store is away."), None])

    def sometimes(path):
        error = next(answers)
        if error:
            raise error
        return put(path)

    monkeypatch.setattr(storage, "put", sometimes)
    with SnapshotTransfer(storage, recorder, lambda: None) as transfer:
        for step in (10, 20, 30):
            transfer.take(save(step))
            while not transfer.wait(1):
                pass
    texts = [report.text for report in recorder._pending if isinstance(report, Line)]
    recorder.flush()

    assert len(texts) == 1
    assert "The store is away." in texts[0]
    assert kept(database, lease) == [30]


def test_a_file_that_is_gone_is_logged_and_costs_nothing_else(storage, recorder, save):
    saved = save(10)
    Path(saved.path).unlink()
    with SnapshotTransfer(storage, recorder, lambda: None) as transfer:
        transfer.take(saved)
        while not transfer.wait(1):
            pass

    [line] = recorder._pending
    assert "could not be stored" in line.text


def test_while_the_database_is_away_blobs_do_not_pile_up(storage, recorder, save, database, lease):
    with SnapshotTransfer(storage, recorder, lambda: None) as transfer:
        for step in (10, 20, 30, 40):
            transfer.take(save(step))
            while not transfer.wait(1):
                pass
        assert recorder.snapshots_waiting == 2
        assert len(blob_files(storage)) == 2
        recorder.flush()  # it is back
        transfer.settle()
        while not transfer.wait(1):
            pass
    recorder.flush()

    assert kept(database, lease) == [40, 20]


@pytest.fixture
def two_snapshots(database, storage, recorder, save):
    with SnapshotTransfer(storage, recorder, lambda: None) as transfer:
        for step in (10, 20):
            transfer.take(save(step))
            while not transfer.wait(1):
                pass
    recorder.flush()


def blob_files(storage):
    return sorted(path for path in storage.folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", ["changed", "cut short", "deleted"])
def test_a_damaged_snapshot_is_skipped_and_logged(
    database, storage, lease, two_snapshots, tmp_path, damage
):
    [newest] = [f for f in blob_files(storage) if f.read_text() == "after 20 batches"]
    if damage == "deleted":
        newest.unlink()
    else:
        newest.write_text("after 99 batches" if damage == "changed" else "after")

    path, lines = snapshot_transfer.fetch(database, storage, lease, tmp_path)

    assert path.read_text() == "after 10 batches"
    [line] = lines
    assert line.level == "warning"
    assert "after 20 batches" in line.text


def test_where_all_are_damaged_the_run_starts_over_and_its_log_says_so(
    database, storage, lease, two_snapshots, tmp_path
):
    for file in blob_files(storage):
        file.write_text("nonsense")

    path, lines = snapshot_transfer.fetch(database, storage, lease, tmp_path)

    assert path is None
    assert len(lines) == 3
    assert "starts over" in lines[-1].text


def test_new_progress_gives_the_budget_back_and_old_progress_does_not(
    database, storage, lease, recorder, save, two_snapshots
):
    def spend_and_save(step):
        with database.writing() as session:
            job = session.get_one(Job, lease.job_id)
            job.crashes, job.losses = 2, 5
        recorder.secure(snapshots.SnapshotRef(0, step, storage.put(Path(save(step).path))))
        recorder.flush()
        with database.reading() as session:
            job = session.get_one(Job, lease.job_id)
            return job.crashes, job.losses, job.secured_step

    assert spend_and_save(20) == (2, 5, 20)
    assert spend_and_save(21) == (0, 0, 21)


def test_a_store_that_hangs_is_logged_once_and_nobody_has_to_wait_for_it(
    storage, recorder, save, monkeypatch
):
    released, ended = threading.Event(), threading.Event()

    def hang(_path):
        assert released.wait(60)
        ended.set()
        raise Unavailable("The store is away.")

    monkeypatch.setattr(storage, "put", hang)
    monkeypatch.setattr(snapshot_transfer, "SLOW_AFTER_S", 0.0)
    woken = []
    with SnapshotTransfer(storage, recorder, lambda: woken.append(True)) as transfer:
        transfer.take(save(10))
        for _ in range(3):
            assert not transfer.wait(0.01)
        _, future = transfer._storing

    [line] = recorder._pending
    assert "has not answered" in line.text
    released.set()
    assert isinstance(future.exception(60), Unavailable)
    assert ended.is_set()
    assert not woken  # whoever would be woken may be gone
