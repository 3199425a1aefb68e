"""What a worker learns by a look at the database: due jobs, and lanes without a notification."""

from sqlalchemy import update

from core.database.clock import now
from core.database.models import Job, Lane
from core.jobs import endings, polling
from core.jobs.claim import Claimant
from core.jobs.endings import Failure
from core.messages import plain
from tests.core.jobs.conftest import claim, expire, submit


def notify_last(database, seconds_ago):
    with database.writing() as session:
        session.execute(update(Lane).values(notified_at=now(-seconds_ago)))


def notify(database, claimant):
    """The queues that the poll of a worker has others notified of."""
    found = polling.poll(database, claimant)
    return polling.mark_notified(database, found.unnotified_lanes)


def test_a_worker_knows_when_there_is_work_for_it(database, claimant):
    assert polling.poll(database, claimant).due_in_s is None
    submit(database, queue="other")
    submit(database, device="cuda")
    assert polling.poll(database, claimant).due_in_s is None
    job = submit(database)
    assert polling.poll(database, claimant).due_in_s <= 0
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job.id).values(available_at=now(60)))
    assert 50 < polling.poll(database, claimant).due_in_s <= 60


def test_a_large_job_is_no_work_for_a_worker_that_is_too_small(database, claimant, large):
    submit(database, devices=2)

    assert polling.poll(database, claimant).due_in_s is None
    assert polling.poll(database, large).due_in_s <= 0


def test_a_worker_knows_when_a_lease_is_over_whatever_it_serves(database, claimant):
    job = submit(database)
    claim(database, claimant)
    nobody = Claimant(claimant.worker_id, ["nothing was ever here"])
    assert not polling.poll(database, nobody).are_leases_over

    expire(database, job.id)

    assert polling.poll(database, nobody).are_leases_over


def test_workers_are_notified_again_of_a_lane_once_in_a_while(database, claimant):
    submit(database)
    submit(database, queue="nobody")
    assert notify(database, claimant) == set()

    notify_last(database, polling.NOTIFY_AGAIN_S + 1)

    assert notify(database, claimant) == {"default"}
    assert notify(database, claimant) == set()


def test_of_two_workers_one_notifies(database, claimant):
    submit(database)
    notify_last(database, polling.NOTIFY_AGAIN_S + 1)
    found = polling.poll(database, claimant).unnotified_lanes

    assert polling.mark_notified(database, found) == {"default"}
    assert polling.mark_notified(database, found) == set()


def test_nobody_is_notified_of_what_this_worker_could_not_run_itself(database, claimant, large):
    submit(database, devices=2)
    notify_last(database, 60)

    assert notify(database, claimant) == set()
    assert notify(database, large) == {"default"}


def test_nobody_is_notified_of_a_retry_before_it_is_due(database, claimant):
    job = submit(database)
    endings.end(database, claim(database, claimant), "crashed", Failure("crash", plain("gone")))
    notify_last(database, 60)
    assert notify(database, claimant) == set()

    with database.writing() as session:  # as it will be when the backoff is over
        session.execute(update(Job).where(Job.id == job.id).values(available_at=now(-1)))

    assert notify(database, claimant) == {"default"}
