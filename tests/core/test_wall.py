"""The runs that ended last, for the wall: whatever became of those that ended after them."""

from __future__ import annotations

import pytest

from core import queries
from core.jobs import claim, deletion, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.endings import Failure
from core.messages import plain
from core.queries import wall
from core.spec import presets


@pytest.fixture
def submit(database):
    def submitted(name="a run"):
        return lifecycle.submit(
            database, LOCAL_OWNER, name=name, spec=presets.resolve("quick", {})
        ).id

    return submitted


@pytest.fixture
def succeed(database, claimant, submit):
    def succeeded():
        submit()
        lease = claim.claim(database, claimant, 30)
        endings.succeed(database, lease, "c" * 64, [])
        return lease.job_id

    return succeeded


def cancel_and_delete(database, submit, count):
    for _ in range(count):
        job_id = submit()
        lifecycle.cancel(database, job_id, LOCAL_OWNER)
        deletion.delete(database, job_id, LOCAL_OWNER, 60)


def ended(database, limit=3):
    with database.reading() as session:
        return [job.id for job in queries.ended_lately(session, limit)]


def test_the_newest_end_comes_first_whichever_run_was_submitted_first(database, submit, succeed):
    waits = submit()
    lifecycle.pause(database, waits, LOCAL_OWNER)
    done = succeed()
    lifecycle.cancel(database, waits, LOCAL_OWNER)

    assert ended(database) == [waits, done]


def test_runs_that_ended_before_many_that_were_deleted_are_shown(database, submit, succeed):
    done = succeed()
    cancel_and_delete(database, submit, 12)

    assert ended(database) == [done]


def test_runs_that_ended_before_what_is_looked_at_of_the_history_are_shown(
    database, submit, succeed, monkeypatch
):
    first, second = succeed(), succeed()
    cancel_and_delete(database, submit, 3)
    lifecycle.cancel(database, third := submit(), LOCAL_OWNER)
    monkeypatch.setattr(wall, "LATELY", 4)

    assert ended(database) == [third, second, first]
    assert ended(database, limit=2) == [third, second]


def test_a_run_that_ended_and_is_tried_again_has_not_ended(database, claimant, submit):
    submit()
    lease = claim.claim(database, claimant, 30)
    endings.end(database, lease, "failed", Failure("diverged", plain("The loss is no number.")))
    assert ended(database) == [lease.job_id]

    lifecycle.retry(database, lease.job_id, LOCAL_OWNER)

    assert ended(database) == []
