"""What a worker does between jobs."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from core.database.clock import now
from core.database.models import Job
from core.errors import DatabaseUnavailable
from tests.services import wait_until
from worker import polling
from worker.polling import Poller


@pytest.fixture
def started(monkeypatch):
    """Notes when jobs would be run."""
    calls = []
    monkeypatch.setattr(polling, "run_next", calls.append)
    return calls


@pytest.fixture
def poller(context, started):
    """A worker's poller; the test makes each round."""
    made = Poller(context)
    yield made
    if sweeper := made._heartbeat.housekeeping._sweeper:
        sweeper.join()


def test_a_job_that_backs_off_is_looked_for_when_it_is_due(poller, started, database, submit):
    job = submit()
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job.id).values(available_at=now(1)))

    assert 0 < poller._poll() <= 1
    assert not started


def test_a_due_job_is_run_without_a_notification(poller, started, context, submit):
    submit()

    poller._poll()

    wait_until(lambda: started == [context], "it is run")


def test_where_no_slot_is_free_nothing_is_run(poller, started, context, submit):
    submit()
    slot = context.slots.take()

    assert poller._poll() == poller._every_s

    assert not started
    context.slots.give_back(slot)


def test_a_worker_that_drains_runs_nothing(poller, started, context, submit):
    submit()
    context.draining.set()

    assert poller._poll() == poller._every_s

    assert not started


def test_after_an_outage_of_the_database_polling_continues_and_nobody_is_reaped(
    poller, started, context, monkeypatch, submit
):
    beat, failures = poller._heartbeat.beat, iter([DatabaseUnavailable("It is away.")])

    def away_once():
        for error in failures:
            poller._heartbeat.housekeeping._reaps_after = 0.0
            raise error
        return beat()

    monkeypatch.setattr(poller._heartbeat, "beat", away_once)
    submit()
    poller.start()

    wait_until(lambda: started == [context], "it is run", 60)
    poller.stop()

    assert not poller._heartbeat.housekeeping.may_reap
