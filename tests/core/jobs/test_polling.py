"""What a worker learns by a look at the database: due jobs, and queues without a notification."""

from sqlalchemy import update

from core.database.clock import now
from core.database.models import Job
from core.jobs import endings, polling
from core.jobs.endings import Failure
from core.messages import plain
from tests.core.jobs.conftest import claim, submit
from tests.services import wait_until


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


def test_unnotified_queues_are_found_once(database):
    submit(database, queue="gpu")
    submit(database, queue="nobody")
    assert polling.unnotified_queues(database, ["gpu"]) == set()
    with database.writing() as session:
        session.execute(update(Job).values(notified_at=now(-60)))

    assert polling.unnotified_queues(database, ["gpu"]) == {"gpu"}
    assert polling.unnotified_queues(database, ["gpu"]) == set()


def test_a_worker_is_notified_of_a_retry_when_it_is_due_and_not_before(database, claimant):
    submit(database)
    endings.end(database, claim(database, claimant), "crashed", Failure("crash", plain("gone")))
    assert polling.unnotified_queues(database, ["default"]) == set()

    with database.writing() as session:  # as it will be when the backoff is over
        backoff_s = endings.backoff(0)
        session.execute(
            update(Job).values(
                available_at=now(-1), notified_at=now(-polling.NOTIFY_AGAIN_S - backoff_s)
            )
        )

    assert polling.unnotified_queues(database, ["default"]) == {"default"}


def test_a_worker_is_notified_at_once_of_a_job_that_was_handed_back(database, claimant):
    submit(database)
    endings.end(database, claim(database, claimant), "drained")

    # at once by a clock that may count in milliseconds
    wait_until(lambda: polling.unnotified_queues(database, ["default"]), "a worker is notified")
