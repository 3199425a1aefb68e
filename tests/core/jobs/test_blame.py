"""Whose fault it is when a run ends in the same way again and again."""

import pytest

from core.database.models import Attempt, Job
from core.jobs import blame, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import EVERYTHING
from core.jobs.endings import Failure
from core.messages import message, plain
from tests.core.jobs.conftest import attempts, claim, look, secure
from tests.core.jobs.test_rests import FULL, NO_DATA, fail, pass_time, pauses, start, submit


def be_due(database, job):
    """Let a run that waits for its next try be due."""
    with database.writing() as session:
        row = session.get(Job, job.id)
        row.available_at = row.created_at


def keep_failing(database, job, worker, failure=FULL, times=10):
    """The states of a run that ends in the same way on one worker, until it is failed."""
    states = []
    for _ in range(times):
        states.append(fail(database, worker, failure)[1])
        if states[-1] == "failed":
            break
        pass_time(database, worker)
        be_due(database, job)
    return states


def test_a_run_that_ends_alike_on_the_only_worker_is_blamed_in_the_end(database, claimant):
    job = submit(database)

    states = keep_failing(database, job, claimant)

    assert states == ["queued"] * (blame.TRIES - 1) + ["failed"]
    ended = look(database, job.id)
    assert (ended.error_kind, ended.error_message.code) == ("storage", "run.same_fault")
    assert "5 times, on w:" in ended.error_message.text
    assert ended.error_message.text.startswith("A file could not be written")
    assert [each.outcome for each in attempts(database, job.id)] == ["worker_fault"] * blame.TRIES


def test_once_a_run_is_blamed_the_next_one_is_tried_at_once(database, claimant):
    job = submit(database)
    keep_failing(database, job, claimant)
    other = submit(database)

    lease = claim(database, claimant)

    assert (lease.job_id, lease.trial) == (other.id, {EVERYTHING})


def test_a_run_that_ends_alike_on_several_workers_is_blamed(database):
    job = submit(database)
    states = [
        fail(database, start(database, f"w{number}"), FULL)[1] for number in range(blame.WORKERS)
    ]

    assert states == ["queued", "queued", "failed"]
    assert "on w0, w1, w2:" in look(database, job.id).error_message.text


def test_a_run_is_not_blamed_while_another_worker_could_run_it(database, claimant):
    job = submit(database)
    start(database, "busy with another")

    assert keep_failing(database, job, claimant, times=8) == ["queued"] * 8


STORE_AWAY = Failure("storage_unavailable", plain("It does not answer."), work=EVERYTHING)


@pytest.mark.parametrize("failure", [NO_DATA, STORE_AWAY])
def test_what_depends_on_the_run_in_no_way_is_never_its_fault(database, claimant, failure):
    job = submit(database)

    assert keep_failing(database, job, claimant, failure, times=8) == ["queued"] * 8


def test_another_fault_counts_by_itself_whatever_its_rank(database, claimant):
    job = submit(database)
    other = Failure("import", message("worker.import_failed", detail="x"), None, EVERYTHING)
    ranked = message("run.failed_on_rank", rank=1, reason=FULL.reason)
    for failure in (FULL, other, other, Failure("storage", ranked, None, EVERYTHING), FULL):
        assert keep_failing(database, job, claimant, failure, times=1) == ["queued"]

    assert keep_failing(database, job, claimant) == ["queued", "failed"]


def test_a_retry_and_new_progress_give_the_whole_budget_back(database, claimant):
    job = submit(database)
    keep_failing(database, job, claimant)
    lifecycle.retry(database, job.id, LOCAL_OWNER)
    pass_time(database, claimant)

    assert keep_failing(database, job, claimant, times=3) == ["queued"] * 3
    lease = claim(database, claimant)
    secure(database, job.id, attempt=lease.attempt)
    with database.writing() as session:
        session.get(Attempt, (job.id, lease.attempt)).secured_step = 10
    assert endings.end(database, lease, "worker_fault", FULL) == "queued"
    pass_time(database, claimant)
    be_due(database, job)
    assert keep_failing(database, job, claimant) == ["queued"] * 3 + ["failed"]


def test_a_run_that_may_be_the_cause_lets_another_one_try_the_worker_first(database, claimant):
    submit(database)
    fail(database, claimant, FULL)
    pass_time(database, claimant)
    fail(database, claimant, FULL)
    other = submit(database)
    assert pauses(database, claimant)[EVERYTHING] > 50

    pass_time(database, claimant)

    assert claim(database, claimant).job_id == other.id
