"""Workers that people drain: what they leave alone, and who remembers it."""

import pytest

from core import workers
from core.database.models import Worker
from core.errors import Forbidden, NotFound
from core.jobs import claim as claiming
from core.jobs import drains, endings, polling
from core.jobs import status as queue_status
from core.jobs.actors import LOCAL_OWNER, of_worker
from core.jobs.claim import Claimant
from core.jobs.endings import Failure
from core.messages import plain
from core.workers import WorkerFacts
from tests.core.jobs.conftest import ADA, claim, look, submit

FACTS = WorkerFacts("bo", 1, "0", ["default"], [{"kind": "cpu", "name": "CPU"}], 1)


@pytest.fixture
def bo(database):
    """A worker with one slot on a CPU."""
    return Claimant(workers.register(database, FACTS), ["default"])


def row(database, worker_id):
    with database.reading() as session:
        return session.get_one(Worker, worker_id)


def explained(database, job):
    with database.reading() as session:
        return queue_status.explain(session, [look(database, job.id)])[job.id]


def test_a_drained_worker_claims_nothing_and_finds_nothing_to_do(database, bo):
    submit(database)
    drains.drain(database, "bo", ADA)

    assert claim(database, bo) is None
    assert claiming.next_requirements(database, bo) is None
    found = polling.poll(database, bo)
    assert (found.due_in_s, found.unnotified_lanes) == (None, [])


def test_what_a_drained_worker_runs_is_left_to_it(database, bo):
    submit(database)
    lease = claim(database, bo)
    drains.drain(database, "bo", ADA)

    assert look(database, lease.job_id).state == "running"
    endings.succeed(database, lease, "c" * 64, [])
    assert look(database, lease.job_id).state == "succeeded"


def test_a_run_says_by_whom_the_only_worker_for_it_is_drained(database, bo):
    job = submit(database)
    drains.drain(database, str(bo.worker_id), ADA)

    status = explained(database, job)

    assert status.is_stuck
    assert status.reason.text == ("worker bo, the only one that could run it, is drained by Ada")


def test_a_run_names_every_drained_worker_that_could_run_it_and_who_drained_it(database, bo):
    workers.register(database, WorkerFacts("cy", 2, "0", ["default"], FACTS.devices, 1))
    job = submit(database)
    drains.drain(database, "bo", ADA)
    drains.drain(database, "cy", LOCAL_OWNER)

    assert explained(database, job).reason.text == (
        "all 2 workers that could run it are drained: bo by Ada, cy by owner"
    )


def test_of_many_drained_workers_the_first_are_named(database, bo):
    for name in ("cy", "di", "ed", "fy"):
        workers.register(database, WorkerFacts(name, 2, "0", ["default"], FACTS.devices, 1))
    job = submit(database)
    for name in ("bo", "cy", "di", "ed", "fy"):
        drains.drain(database, name, ADA)

    reason = explained(database, job).reason.text

    assert reason.startswith("all 5 workers that could run it are drained: bo by Ada, ")
    assert reason.endswith(", …")


def test_beside_a_drained_worker_a_run_goes_to_another(database, bo):
    other = workers.register(database, WorkerFacts("cy", 2, "0", ["default"], FACTS.devices, 1))
    job = submit(database)
    drains.drain(database, "bo", ADA)

    assert explained(database, job).reason.code == "queue.starting"
    assert claim(database, Claimant(other, ["default"])).job_id == job.id


def test_a_worker_that_is_started_again_is_still_drained(database, bo):
    drains.drain(database, "bo", ADA)
    workers.mark_stopped(database, bo.worker_id)
    again = workers.register(database, FACTS)

    found = row(database, again)

    assert (found.desired, found.desired_by) == ("drain", "Ada")
    assert found.desired_at == row(database, bo.worker_id).desired_at
    submit(database)
    assert claim(database, Claimant(again, ["default"])) is None


def test_workers_of_one_name_are_drained_and_resumed_together(database, bo):
    namesake = workers.register(database, FACTS)
    drains.drain(database, str(bo.worker_id), ADA)
    assert row(database, namesake).desired == "drain"

    drains.resume(database, str(namesake), ADA)

    assert row(database, bo.worker_id).desired == "run"


def test_a_resumed_worker_claims_again_and_rests_no_more(database, bo):
    submit(database)
    fault = Failure("data_unavailable", plain("x"), work="everything")
    endings.end(database, claim(database, bo), "worker_fault", fault)
    drains.drain(database, "bo", ADA)

    assert drains.resume(database, "bo", ADA) == (bo.worker_id, ["default"])

    found = row(database, bo.worker_id)
    assert (found.desired, found.desired_by, found.rests) == ("run", "Ada", [])
    assert claim(database, bo)


def test_draining_again_keeps_who_asked_first(database, bo):
    drains.drain(database, "bo", ADA)
    first = row(database, bo.worker_id).desired_at
    drains.drain(database, "bo", ADA)

    assert row(database, bo.worker_id).desired_at == first


def test_only_people_drain_workers_that_are_there(database, bo):
    with pytest.raises(NotFound, match="no worker nobody"):
        drains.drain(database, "nobody", ADA)
    with pytest.raises(Forbidden):
        drains.drain(database, "bo", of_worker(1, "bo"))
