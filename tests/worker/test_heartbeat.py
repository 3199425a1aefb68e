"""When a worker reaps, and that nothing delays its heartbeats."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import update

from core import queries, workers
from core.database.clock import now
from core.database.models import JobProgress
from core.housekeeping import Housekeeping
from core.jobs import claim, polling, snapshots
from core.jobs.claim import Claimant
from core.jobs.snapshots import SnapshotRef
from core.workers import WorkerFacts
from tests.services import wait_until
from worker.heartbeat import Heartbeat


@pytest.fixture
def heartbeat(context):
    """The heartbeats of a worker that may reap; the test makes each."""
    made = Heartbeat(context, 1.0)
    made.beat()
    made.housekeeping._reaps_after = 0.0
    yield made
    if made.housekeeping._sweeper is not None:
        made.housekeeping._sweeper.join()


@pytest.fixture
def stranger(database, submit):
    """A job that another worker runs, and whose lease has run out."""
    job = submit()
    facts = WorkerFacts("stranger", 1, "0", ["default"], [], 1)
    claimant = Claimant(workers.register(database, facts), ["default"])
    assert claim.claim(database, claimant, 60)
    with database.writing() as session:
        session.execute(
            update(JobProgress).where(JobProgress.job_id == job.id).values(lease_expires_at=now(-1))
        )
    return job


def look(database, job):
    with database.reading() as session:
        return queries.job(session, job.id)[0]


def test_a_job_whose_lease_is_over_is_reaped(heartbeat, database, stranger):
    heartbeat.beat()

    assert look(database, stranger).state == "queued"


def test_a_worker_that_has_just_started_reaps_nobody(context, database, stranger):
    Heartbeat(context, 1.0).beat()

    assert look(database, stranger).state == "running"


@pytest.mark.parametrize("clock", ["ours", "the database's"])
def test_after_a_gap_by_either_clock_nobody_is_reaped(heartbeat, database, stranger, clock):
    """The database did not answer, we were stopped, or the machine slept."""
    at, moment = heartbeat.housekeeping._last
    gap = heartbeat.housekeeping._longest_gap_s + 1
    heartbeat.housekeeping._last = (
        (at - gap, moment) if clock == "ours" else (at, moment - timedelta(seconds=gap))
    )

    heartbeat.beat()

    assert look(database, stranger).state == "running"


def test_a_lease_that_runs_out_after_the_heartbeat_is_not_reaped(
    heartbeat, database, stranger, monkeypatch
):
    """A process that is stopped there wakes up with old knowledge."""
    with database.writing() as session:
        session.execute(
            update(JobProgress)
            .where(JobProgress.job_id == stranger.id)
            .values(lease_expires_at=now(0.2))
        )
    poll = polling.poll

    def stopped_meanwhile(*arguments):
        wait_until(lambda: poll(*arguments).are_leases_over, "the lease runs out")
        return poll(*arguments)

    monkeypatch.setattr(polling, "poll", stopped_meanwhile)

    heartbeat.beat()

    assert look(database, stranger).state == "running"


def test_right_after_an_outage_nothing_is_removed(context, monkeypatch):
    """The row that names a blob may be about to be written, as a renewal may."""
    swept = []
    monkeypatch.setattr(Housekeeping, "_sweep", lambda _self: swept.append(True))
    heartbeat = Heartbeat(context, 1.0)
    housekeeping = heartbeat.housekeeping

    heartbeat.beat()
    assert housekeeping._sweeper is None

    housekeeping._reaps_after = housekeeping._tidy_due = 0.0
    heartbeat.beat()
    housekeeping._sweeper.join()
    assert swept == [True]


def test_a_store_that_hangs_delays_no_heartbeat(
    heartbeat, database, storage, stranger, monkeypatch, tmp_path
):
    released = threading.Event()
    delete = storage.delete

    def hang(blob):
        assert released.wait(60)
        delete(blob)

    (tmp_path / "snapshot").write_text("a snapshot")
    with database.writing() as session:
        blob = storage.put(tmp_path / "snapshot")
        snapshots.add(session, stranger.id, 1, SnapshotRef(0, 1, blob))
        snapshots.discard(session, stranger.id)
    monkeypatch.setattr(storage, "delete", hang)
    heartbeat.housekeeping._tidy_due = 0.0
    heartbeat.beat()
    heartbeat.housekeeping._tidy_due = 0.0

    heartbeat.beat()

    assert heartbeat.housekeeping._sweeper.is_alive()
    assert look(database, stranger).state == "queued"
    released.set()
    heartbeat.housekeeping._sweeper.join(60)
    assert not [path for path in storage.folder.rglob("*") if path.is_file()]
