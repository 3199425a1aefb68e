"""One worker is kept for a large job; what waits behind it goes ahead on the others."""

import pytest
from sqlalchemy import select, update

from core.database.clock import now
from core.database.models import Lane, Worker
from core.jobs import claim as claiming
from core.jobs import drains, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import Capacity
from core.messages import message
from tests.core.jobs.conftest import claim, look
from tests.core.jobs.waiting import GPU, explain, run, start_worker, submit

TWO = Capacity(2, 2, has_gpus=True)


@pytest.fixture
def fleet(database):
    """Two workers with two GPUs, of which one is in use each: the second's is free sooner."""
    fleet = [start_worker(database, devices=[GPU, GPU], slots=2) for _ in range(2)]
    for claimant, eta_s in zip(fleet, (900, 60), strict=True):
        submit(database)
        run(database, claimant, eta_s=eta_s)
    return fleet


def kept(database):
    with database.reading() as session:
        rows = session.execute(select(Lane.kept_job_id, Lane.kept_worker_id))
        return {job: worker for job, worker in rows if job is not None}


def test_the_worker_is_kept_that_has_the_devices_first(database, fleet):
    later, sooner = fleet
    large, behind = submit(database, devices=2), submit(database)

    assert claim(database, sooner) is None
    assert claim(database, later).job_id == behind.id

    assert kept(database) == {large.id: sooner.worker_id}
    assert claim(database, sooner, TWO).job_id == large.id


def test_another_worker_that_holds_enough_takes_it_too(database, fleet):
    later, sooner = fleet
    large = submit(database, devices=2)
    assert claim(database, sooner) is None

    assert claim(database, later, TWO).job_id == large.id


def test_it_stays_kept_however_the_estimates_change(database, fleet):
    later, sooner = fleet
    large, behind = submit(database, devices=2), submit(database)
    assert claim(database, sooner) is None
    lifecycle.pause(database, look(database, 1).id, LOCAL_OWNER)  # the other is free soon now

    assert claim(database, later).job_id == behind.id
    assert kept(database) == {large.id: sooner.worker_id}


@pytest.mark.parametrize("how", ["drained", "silent", "resting"])
def test_a_worker_that_cannot_take_it_any_more_is_kept_no_longer(database, fleet, how):
    later, sooner = fleet
    large = submit(database, devices=2)
    assert claim(database, sooner) is None

    if how == "drained":
        drains.drain(database, str(sooner.worker_id), LOCAL_OWNER)
        with database.writing() as session:  # of one name, both were
            session.execute(
                update(Worker).where(Worker.id == later.worker_id).values(desired="run")
            )
    elif how == "silent":
        with database.writing() as session:
            silent = update(Worker).where(Worker.id == sooner.worker_id)
            session.execute(silent.values(last_heartbeat_at=now(-90)))
    else:
        ill = submit(database, "digits", priority=5)
        no_gpu = endings.Failure("gpu", message("worker.ended"), work="device:cuda")
        endings.end(database, claim(database, sooner), "worker_fault", no_gpu)
        lifecycle.cancel(database, ill.id, LOCAL_OWNER)

    assert claim(database, later) is None
    assert kept(database) == {large.id: later.worker_id}


def test_two_large_jobs_are_kept_two_workers(database, fleet):
    later, sooner = fleet
    first = submit(database, devices=2)
    second = submit(database, "digits", devices=2)

    assert claim(database, sooner) is None
    assert claim(database, later) is None

    assert kept(database) == {first.id: sooner.worker_id, second.id: later.worker_id}


def test_a_worker_asks_for_the_slots_of_the_job_that_it_is_kept_for(database, fleet):
    later, sooner = fleet
    submit(database, devices=2)
    small = submit(database, "digits")
    assert claim(database, sooner) is None

    assert claiming.next_requirements(database, sooner).devices == 2
    assert claiming.next_requirements(database, later).devices == small.devices == 1


def test_a_large_run_says_which_worker_is_kept_for_it(database, fleet):
    large = submit(database, devices=2)
    assert claim(database, fleet[1]) is None

    assert explain(database, large).reason.startswith(
        "next in line on 4 GPU slots, needs 2 of one worker at once (1 free); "
        "worker w takes nothing else before it"
    )
