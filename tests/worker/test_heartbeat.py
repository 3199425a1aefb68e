"""When a worker judges others, and that nothing keeps it from its duties."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import update

from core import queries, workers
from core.database.clock import now
from core.database.models import Job
from core.jobs import claim, polling, snapshots
from core.jobs.claim import Claimant
from core.jobs.snapshots import SnapshotRef
from core.workers import WorkerFacts
from tests.services import wait_until
from worker import heartbeat
from worker.heartbeat import Housekeeping


@pytest.fixture
def kept(yard, monkeypatch):
    """A worker's housekeeping whose first lease of silence is over; the test does each round."""
    made = Housekeeping(yard)
    monkeypatch.setattr(heartbeat, "run_next", lambda _yard: None)
    made._keep_house()
    made._reaps_after = 0.0
    return made


@pytest.fixture
def stranger(database, submit):
    """A job that another worker runs, and whose lease has run out."""
    job = submit()
    facts = WorkerFacts("stranger", 1, "0", ["default"], [], 1)
    claimant = Claimant(workers.register(database, facts), ["default"])
    assert claim.claim(database, claimant, 60)
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job.id).values(lease_expires_at=now(-1)))
    return job


def look(database, job):
    with database.reading() as session:
        return queries.job(session, job.id)[0]


def test_a_job_whose_lease_is_over_is_taken_back(kept, database, stranger):
    kept._keep_house()

    assert look(database, stranger).state == "queued"


def test_a_worker_that_has_just_started_judges_nobody(yard, database, stranger, monkeypatch):
    monkeypatch.setattr(heartbeat, "run_next", lambda _yard: None)

    Housekeeping(yard)._keep_house()

    assert look(database, stranger).state == "running"


@pytest.mark.parametrize("clock", ["ours", "the database's"])
def test_after_a_gap_by_either_clock_nobody_is_judged(kept, database, stranger, clock):
    """The database did not answer, we were stopped, or the machine slept."""
    at, moment = kept._last
    gap = kept._longest_gap + 1
    kept._last = (at - gap, moment) if clock == "ours" else (at, moment - timedelta(seconds=gap))

    kept._keep_house()

    assert look(database, stranger).state == "running"


def test_what_runs_out_between_the_look_and_the_judgement_is_not_judged(
    kept, database, stranger, monkeypatch
):
    """A process that is stopped there wakes up with old knowledge."""
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == stranger.id).values(lease_expires_at=now(0.2)))
    poll = polling.poll

    def stopped_meanwhile(*arguments):
        wait_until(lambda: poll(*arguments).are_leases_over, "the lease runs out")
        return poll(*arguments)

    monkeypatch.setattr(polling, "poll", stopped_meanwhile)

    kept._keep_house()

    assert look(database, stranger).state == "running"


def test_a_store_that_hangs_keeps_nobody_from_judging(
    kept, database, storage, stranger, monkeypatch, tmp_path
):
    may_go_on = threading.Event()
    delete = storage.delete

    def hang(blob):
        assert may_go_on.wait(60)
        delete(blob)

    (tmp_path / "point").write_text("a point")
    with database.writing() as session:
        blob = storage.put(tmp_path / "point")
        snapshots.add(session, stranger.id, 1, SnapshotRef(0, 1, blob))
        snapshots.discard(session, stranger.id)
    monkeypatch.setattr(storage, "delete", hang)
    kept._tidy_due = 0.0
    kept._keep_house()
    kept._tidy_due = 0.0

    kept._keep_house()

    assert kept._sweeper.is_alive()
    assert look(database, stranger).state == "queued"
    may_go_on.set()
    kept._sweeper.join(60)
    assert not [path for path in storage.folder.rglob("*") if path.is_file()]


def test_a_job_that_backs_off_is_looked_for_when_it_is_due(kept, database, submit):
    job = submit()
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job.id).values(available_at=now(1)))

    assert 0 < kept._keep_house() <= 1
