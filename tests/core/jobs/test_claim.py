"""Who gets which job: by priority and age, by devices held, each job once."""

import multiprocessing
import threading

import pytest
from sqlalchemy import update

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Job
from core.jobs import claim as claiming
from core.jobs import endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import Capacity
from core.jobs.claim import Claimant
from core.spec import presets
from tests.core.conftest import lose_the_answer_to_the_next_commit
from tests.core.jobs.conftest import ONE_GPU, TWO_GPUS, attempts, claim, look, needs, submit

SPEC = presets.resolve("quick", {"dataset": "digits"})


def test_the_highest_priority_goes_first_then_the_oldest(database, claimant):
    low, high, also_high = (submit(database, priority=p).id for p in (0, 5, 5))

    claimed = [claim(database, claimant).job_id for _ in range(3)]

    assert claimed == [high, also_high, low]
    assert claim(database, claimant) is None


def test_a_worker_gets_only_what_its_queues_and_devices_allow(database, claimant):
    submit(database, queue="other")
    submit(database, device="cuda")
    own = submit(database, device="cpu").id

    assert claim(database, claimant).job_id == own
    assert claim(database, claimant) is None
    everywhere = Claimant(claimant.worker_id, ["default", "other"], Capacity(1, 1, has_gpus=True))
    assert claim(database, everywhere) is not None
    assert claim(database, everywhere) is not None


def test_a_claim_writes_the_attempt_and_the_lease(database, claimant):
    job = submit(database)

    lease = claim(database, claimant)

    running = look(database, job.id)
    assert (running.state, running.attempt, running.progress.lease_token) == (
        "running",
        1,
        lease.token,
    )
    assert running.progress.lease_expires_at > running.started_at
    assert lease.spec == SPEC.model_dump(mode="json")
    assert [(a.number, a.outcome) for a in attempts(database, job.id)] == [(1, None)]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_claim_whose_answer_was_lost_is_settled_by_its_token(database, claimant, is_first):
    if not is_first:  # of an owner who has begun something, it is one statement on PostgreSQL
        submit(database)
        endings.end(database, claim(database, claimant), "drained")
        lifecycle.cancel(database, 1, LOCAL_OWNER)
    job = submit(database)
    lose_the_answer_to_the_next_commit(database)

    lease = claim(database, claimant)

    assert (lease.job_id, lease.attempt) == (job.id, 1)
    assert look(database, job.id).progress.lease_token == lease.token
    assert claim(database, claimant) is None


def test_a_job_for_several_devices_is_claimed_by_who_holds_as_many(database, large):
    job = submit(database, devices=2)

    assert claim(database, large) is None
    assert claim(database, large, Capacity(2, 1, has_gpus=True)) is None  # two slots of one GPU
    lease = claim(database, large, TWO_GPUS)

    assert (lease.job_id, lease.needs) == (job.id, needs("auto", 2))


def test_on_the_cpu_a_job_takes_any_slots(database, large):
    job = submit(database, device="cpu", devices=2)

    assert claim(database, large) is None
    assert claim(database, large, Capacity(2, 1, has_gpus=True)).job_id == job.id


def test_a_job_that_needs_fewer_devices_than_are_held_is_claimed_too(database, large):
    job = submit(database)

    assert claim(database, large, TWO_GPUS).job_id == job.id


def test_no_job_passes_a_large_one_that_waits_for_slots(database, large):
    first = submit(database).id
    waiting = submit(database, devices=2).id
    behind = submit(database).id
    urgent = submit(database, priority=1).id

    claimed = [claim(database, large).job_id for _ in range(2)]

    assert claimed == [urgent, first]
    assert claim(database, large) is None
    assert claim(database, large, TWO_GPUS).job_id == waiting
    assert claim(database, large).job_id == behind


def test_only_who_could_ever_run_a_large_job_waits_for_it(database, claimant, large):
    too_large = [
        submit(database, devices=3, priority=9).id,
        submit(database, devices=5, device="cpu", priority=9).id,
    ]
    small = [submit(database).id for _ in range(2)]

    assert [claim(database, each).job_id for each in (claimant, large)] == small
    assert claim(database, Claimant(claimant.worker_id, ["default"], Capacity(8, 3))) is None
    assert {look(database, job_id).state for job_id in too_large} == {"queued"}


@pytest.mark.parametrize("end", [lifecycle.cancel, lifecycle.pause])
def test_jobs_behind_a_large_one_are_claimed_when_it_no_longer_waits(database, large, end):
    waiting = submit(database, devices=2).id
    behind = submit(database).id
    assert claim(database, large) is None

    end(database, waiting, LOCAL_OWNER)

    assert claim(database, large).job_id == behind


def test_a_large_job_that_backs_off_keeps_nobody_waiting(database, large):
    waiting = submit(database, devices=2)
    behind = submit(database).id
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == waiting.id).values(available_at=now(60)))

    assert claim(database, large).job_id == behind


def test_a_worker_can_ask_what_the_best_job_needs(database, claimant, large):
    assert claiming.next_requirements(database, large) is None
    submit(database)
    assert claiming.next_requirements(database, large) == needs("auto", 1)
    submit(database, devices=2, device="cuda", priority=1)
    assert claiming.next_requirements(database, large) == needs("cuda", 2)
    submit(database, devices=4, device="cpu", priority=2)
    assert claiming.next_requirements(database, large) == needs("cpu", 4)
    submit(database, devices=4, priority=3)
    assert claiming.next_requirements(database, large) == needs("cpu", 4)
    assert claiming.next_requirements(database, claimant) == needs("auto", 1)


def claim_with(held, address, claimant, found, count):
    with Database(address) as database:
        while len(found) < count:
            if (lease := claiming.claim(database, claimant, 30, held)) is not None:
                found[lease.job_id] = held


def test_racing_threads_claim_nothing_out_of_turn(database, database_address, large):
    """Several look at a large job that none of them can run, while one can."""
    ids = [submit(database, devices=1 + number % 2).id for number in range(12)]
    found = {}
    threads = [
        threading.Thread(target=claim_with, args=(held, database_address, large, found, len(ids)))
        for held in (ONE_GPU, ONE_GPU, ONE_GPU, TWO_GPUS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    starts = [look(database, job_id).started_at for job_id in ids]
    for number in range(1, len(ids), 2):
        assert found[ids[number]] == TWO_GPUS
        assert starts[number] <= min(starts[number:])


def claim_all(address, claimant, found):
    with Database(address) as database:
        while (lease := claiming.claim(database, claimant, 30)) is not None:
            found.append(lease.job_id)


def test_racing_threads_claim_each_job_once(database, database_address, claimant):
    ids = [submit(database).id for _ in range(20)]
    found = []
    threads = [
        threading.Thread(target=claim_all, args=(database_address, claimant, found))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == ids


def test_racing_processes_claim_each_job_once(database, database_address, claimant):
    ids = [submit(database).id for _ in range(12)]
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        found = manager.list()
        processes = [
            context.Process(target=claim_all, args=(database_address, claimant, found))
            for _ in range(3)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert sorted(found) == ids
