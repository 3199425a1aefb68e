"""The hot statements find what they look for by an index, however much waits or is over."""

import pytest
from sqlalchemy import text, update

from core.database.clock import now
from core.database.models import Job, Lane
from core.jobs import claim as claiming
from core.jobs import endings, eta, policies, polling, preemption
from core.jobs.actors import LOCAL_OWNER
from core.jobs.recorder import Recorder
from core.messages import plain
from core.protocol.reports import StepMetrics
from tests.core.jobs.conftest import claim, look, submit
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
            .values(state="succeeded", started_at=now(-9), finished_at=now(), attempt=1)
        )
        session.execute(update(Lane).values(notified_at=now(-60)))
    found = claim(database, claimant)
    learn(database)
    return found


def test_a_claim_reads_the_head_of_each_lane(database, claimant, lease):
    found = plans(database, lambda: claim(database, claimant))

    assert [costly(plan) for plan in found] == [[]] * len(found)
    assert "ix_jobs_claim" in found[0]


def test_a_claim_of_a_worker_that_rests_walks_past_nothing(database, claimant, lease):
    no_data = endings.Failure("data_unavailable", plain("x"), work="dataset:digits")
    endings.end(database, lease, "worker_fault", no_data)

    found = plans(database, lambda: claim(database, claimant))

    assert [costly(plan) for plan in found] == [[]]
    assert look(database, lease.job_id).state == "queued"


def test_what_the_best_job_needs_is_read_of_the_heads(database, claimant, lease):
    [plan] = plans(database, lambda: claiming.next_requirements(database, claimant))

    assert "ix_jobs_claim" in plan
    assert costly(plan) == []


def test_a_poll_is_one_statement_of_lookups(database, claimant, lease):
    [plan] = plans(database, lambda: polling.poll(database, claimant))

    assert "ix_jobs_due" in plan
    assert "ix_jobs_state_id" in plan
    assert costly(plan) == []


def test_what_is_to_give_way_is_looked_for_among_heads_and_what_runs(database, lease):
    with database.writing() as session:
        policies.put(session, LOCAL_OWNER, "default", preempts=True)

    found = plans(database, lambda: preemption.preempt(database))

    assert [costly(plan) for plan in found] == [[]] * len(found)
    assert any("ix_jobs_claim" in plan for plan in found)


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


def test_a_flush_of_steps_writes_one_narrow_row_and_no_index(database, claimant, lease):
    if database.engine.dialect.name != "postgresql":
        pytest.skip("only PostgreSQL counts what it had to write into indexes")
    recorder = Recorder(database, lease, 30)
    before = updates(database)

    for _ in range(20):
        recorder.record(STEP)
        recorder.flush()
        recorder._may_be_written = True  # the same sample again

    written = {table: now - before[table] for table, now in updates(database).items()}
    assert written == {"jobs": 0, "jobs, hot": 0, "progress": 20, "progress, hot": 20}


def updates(database):
    """Rows of each table that were updated so far, and those of them that changed no index."""
    with database.engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.commit()
        rows = connection.execute(
            text(
                "SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables "
                "WHERE relname IN ('jobs', 'progress')"
            )
        ).all()
    counts = {row.relname: row.n_tup_upd for row in rows}
    return counts | {f"{row.relname}, hot": row.n_tup_hot_upd for row in rows}
