"""The hot statements find what they look for by an index, however much waits or is over."""

import pytest
from sqlalchemy import update

from core.database.clock import now
from core.database.models import Job, Lane
from core.jobs import claim as claiming
from core.jobs import endings, eta, polling
from core.jobs.recorder import Recorder
from core.protocol.reports import StepMetrics
from tests.core.jobs.conftest import claim, submit
from tests.core.many import costly, learn, multiply, plans

TIMES = 3000
STEP = StepMetrics(
    step=1, epoch=1, batch=1, train_loss=1.0, learning_rate=0.1, images_per_s=1.0, eta_s=9.0
)


@pytest.fixture
def lease(database, claimant):
    """A running job among thousands that wait, and thousands that are over."""
    for number in range(4):
        submit(database, priority=number % 2, devices=1 + number // 2)
    multiply(database, TIMES)
    with database.writing() as session:
        session.execute(
            update(Job)
            .where(Job.id % 2 == 0)
            .values(state="succeeded", started_at=now(-9), finished_at=now(), attempt=1, epoch=1)
        )
        session.execute(update(Lane).values(notified_at=now(-60)))
    found = claim(database, claimant)
    learn(database)
    return found


def test_a_claim_reads_the_head_of_each_lane(database, claimant, lease):
    found = plans(database, lambda: claim(database, claimant))

    assert [costly(plan) for plan in found] == [[]] * len(found)
    assert "ix_jobs_claim" in found[0]


def test_what_the_best_job_needs_is_read_of_the_heads(database, claimant, lease):
    [plan] = plans(database, lambda: claiming.next_requirements(database, claimant))

    assert "ix_jobs_claim" in plan
    assert costly(plan) == []


def test_a_poll_is_one_statement_of_lookups(database, claimant, lease):
    [plan] = plans(database, lambda: polling.poll(database, claimant))

    assert "ix_jobs_due" in plan
    assert "ix_jobs_state_id" in plan
    assert costly(plan) == []


def test_notifying_touches_no_job(database, claimant, lease):
    lanes = polling.poll(database, claimant).unnotified_lanes
    assert lanes

    with pytest.raises(AssertionError, match="the action asks for jobs"):
        plans(database, lambda: polling.mark_notified(database, lanes))


def test_the_reaper_reads_what_runs(database, lease):
    [plan] = plans(database, lambda: endings.reap(database, 30))

    assert "ix_jobs_state_id" in plan
    assert costly(plan) == []


def test_a_forecast_reads_the_first_of_each_lane(database, lease, monkeypatch):
    monkeypatch.setattr(eta, "LOOKED_AT", 50)  # of thousands, as it is 1,000 of more

    def forecast():
        with database.reading() as session:
            assert eta.play(session).lengths["default"] == eta.LOOKED_AT

    found = plans(database, forecast)

    assert [costly(plan) for plan in found] == [[]] * len(found)
    assert any(plan.count("ix_jobs_claim") == 2 for plan in found)


def test_a_flush_finds_its_row_by_its_key(database, lease):
    recorder = Recorder(database, lease, 30)
    recorder.record(STEP)

    found = plans(database, recorder.flush)

    assert [costly(plan) for plan in found] == [[]] * len(found)
