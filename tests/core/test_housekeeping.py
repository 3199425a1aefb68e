"""The housekeeping: runs whose workers are gone, though no worker is left."""

import os
import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from core import hosts, housekeeping, workers
from core.accounts import logins, people
from core.accounts.logins import Browser
from core.database.clock import now
from core.database.models import Login, Worker
from core.hosts import HeldLock
from core.housekeeping import House, Housekeeping
from core.jobs import endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.messaging.pubsub import Wakeups
from core.workers import WorkerFacts
from tests.core.jobs.conftest import attempts, claim, expire, look, submit


@pytest.fixture
def house(settings, database, storage):
    return House(settings, database, storage, Wakeups(settings.redis_url))


@pytest.fixture
def keeper(house):
    """A housekeeping that has watched for a lease; the test makes each round."""
    made = Housekeeping(house)
    made.look()
    made._reaps_after = 0.0
    yield made
    made.finish(60)


@pytest.fixture
def neighbor(settings, database):
    """A worker of this host, and the lock that it holds."""
    lock = HeldLock.take(settings.data_folder)
    facts = WorkerFacts("ada", 7, "0", ["default"], [], 1, host=hosts.boot(), lock=lock.name)
    return Claimant(workers.register(database, facts), ["default"], name="ada"), lock


def status_of(database, worker_id):
    with database.reading() as session:
        is_live = worker_id in [worker.id for worker in workers.live(session)]
        return workers.status(session.get(Worker, worker_id), is_live=is_live)


def test_a_cancel_of_a_run_whose_worker_is_gone_ends_when_its_lease_is_over(
    keeper, database, claimant
):
    job = submit(database)
    claim(database, claimant)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)
    keeper.look()
    assert look(database, job.id).state == "running"

    expire(database, job.id)
    keeper.look()

    assert look(database, job.id).state == "cancelled"


def test_a_pause_of_a_run_whose_worker_is_gone_ends_too(keeper, database, claimant):
    job = submit(database)
    claim(database, claimant)
    lifecycle.pause(database, job.id, LOCAL_OWNER)
    expire(database, job.id)

    keeper.look()

    assert look(database, job.id).state == "paused"


def test_whoever_has_just_begun_to_watch_reaps_nobody(house, database, claimant):
    job = submit(database)
    claim(database, claimant)
    expire(database, job.id)
    keeper = Housekeeping(house)

    keeper.look()

    keeper.finish(60)
    assert look(database, job.id).state == "running"


def test_what_happened_before_the_first_round_is_a_gap_too(house, database, claimant):
    """The database's clock may have been set: there is no earlier round to tell it by."""
    job = submit(database)
    claim(database, claimant)
    expire(database, job.id)
    keeper = Housekeeping(house)
    keeper._reaps_after = 0.0  # it was held up for a lease before its first round

    keeper.look()

    keeper.finish(60)
    assert look(database, job.id).state == "running"


def test_after_a_gap_nobody_is_reaped(keeper, database, claimant):
    job = submit(database)
    claim(database, claimant)
    expire(database, job.id)
    at, moment = keeper._last
    keeper._last = (at, moment - timedelta(seconds=keeper._longest_gap_s + 1))

    keeper.look()

    assert look(database, job.id).state == "running"


def test_a_silent_worker_is_found_to_be_lost_and_not_to_have_stopped(keeper, database, claimant):
    with database.writing() as session:
        session.execute(update(Worker).values(last_heartbeat_at=now(-1000)))
    keeper._tidy_due = 0.0

    keeper.look()

    assert status_of(database, claimant.worker_id) == "lost"
    with database.reading() as session:
        worker = session.get(Worker, claimant.worker_id)
        assert (worker.stopped_at, worker.lost_at is None) == (None, False)


def test_the_run_of_a_worker_of_this_host_that_has_ended_is_taken_back_at_once(
    house, database, neighbor
):
    """No lease has to run out, and nobody has to have watched for one."""
    worker, lock = neighbor
    job = submit(database)
    claim(database, worker)
    keeper = Housekeeping(house)
    keeper.look()
    assert look(database, job.id).state == "running"

    os.close(lock.descriptor)
    assert keeper.look()

    keeper.finish(60)
    waiting = look(database, job.id)
    assert (waiting.state, waiting.losses) == ("queued", 1)
    [attempt] = attempts(database, job.id)
    assert (attempt.outcome, attempt.reason.code) == ("lost", "worker.ended")
    assert status_of(database, worker.worker_id) == "lost"


def test_a_worker_of_another_host_is_left_to_its_lease(keeper, database, neighbor):
    worker, lock = neighbor
    with database.writing() as session:
        session.execute(update(Worker).values(host="another"))
    job = submit(database)
    claim(database, worker)
    os.close(lock.descriptor)

    keeper.look()

    assert look(database, job.id).state == "running"


def test_while_another_keeps_house_nobody_waits_for_it(keeper, database, claimant):
    if database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite lets one write at a time")
    job = submit(database)
    claim(database, claimant)
    expire(database, job.id)

    with database.writing() as other:
        other.execute(select(func.pg_advisory_xact_lock(endings.HOUSE_LOCK)))
        keeper.look()
        assert look(database, job.id).state == "running"

    keeper.look()
    assert look(database, job.id).state == "queued"


def test_a_round_takes_back_so_many_and_the_next_one_the_others(
    keeper, database, claimant, monkeypatch
):
    monkeypatch.setattr(endings, "REAPED_AT_ONCE", 2)
    jobs = [submit(database) for _ in range(3)]
    for job in jobs:
        claim(database, claimant)
        expire(database, job.id)

    states = []
    for _ in range(2):
        keeper.look()
        states.append([look(database, job.id).state for job in jobs])

    assert states == [["queued", "queued", "running"], ["queued"] * 3]


def test_once_is_when_others_had_a_lease_to_renew(settings, house, database, claimant, monkeypatch):
    monkeypatch.setattr(housekeeping, "EVERY_S", 0.01)
    soon = House(
        settings.model_copy(update={"lease_seconds": 0.2}),
        house.database,
        house.storage,
        house.wakeups,
    )
    job = submit(database)
    claim(database, claimant)
    expire(database, job.id)

    housekeeping.run(soon, threading.Event(), once=True)

    assert look(database, job.id).state == "queued"


def test_logins_that_have_ended_by_themselves_leave_no_rows(keeper, database):
    with database.writing() as session:
        person = people.add(session, "eve", "member", None)
        logins.begin(session, person, Browser("10.0.0.7", "Firefox"))
        session.execute(update(Login).values(used_at=now(-1e9)))

    keeper._sweep()

    with database.reading() as session:
        assert session.scalar(select(Login.id)) is None
