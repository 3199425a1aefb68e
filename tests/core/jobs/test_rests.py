"""The rests of a worker: its runs go to others, and one of them tries when a rest is over."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from core import workers
from core.database.clock import now
from core.database.engine import Database
from core.database.models import JobEvent, Worker
from core.errors import Forbidden, NotFound
from core.jobs import deletion, endings, lifecycle, polling, rests
from core.jobs.actors import LOCAL_OWNER, REAPER
from core.jobs.capacity import EVERYTHING, GPUS, Capacity, Requirements, of_dataset
from core.jobs.claim import Claimant
from core.jobs.endings import Failure
from core.messages import message, plain
from core.spec import presets
from core.workers import WorkerFacts
from tests.core.jobs.conftest import TWO_GPUS, attempts, claim, look

NO_DATA = Failure("data_unavailable", plain("No network."), work=of_dataset("mnist"))
FULL = Failure("storage", message("run.file_error", detail="No space left"), work=EVERYTHING)
NO_GPU = Failure("device_unusable", plain("No driver."), work=GPUS)


def submit(database, dataset="mnist", **options):
    changes = {"dataset": dataset}
    changes |= {name: options.pop(name) for name in ("device", "devices") if name in options}
    spec = presets.resolve("quick", changes)
    return lifecycle.submit(database, LOCAL_OWNER, name="job", spec=spec, **options)


def start(database, name="w", capacity=None):
    facts = WorkerFacts(name, 1, "0", ["default"], [], 1)
    chosen = {"max_capacity": capacity} if capacity else {}
    return Claimant(workers.register(database, facts), ["default"], name=name, **chosen)


def fail(database, claimant, failure):
    """Claim the next job, and end its attempt by a fault of the worker."""
    lease = claim(database, claimant)
    return lease, endings.end(database, lease, "worker_fault", failure)


def rests_of(database, claimant):
    with database.reading() as session:
        return rests.parse(session.get(Worker, claimant.worker_id).rests)


def pauses(database, claimant):
    """How long each rest of a worker is still to last, in seconds."""
    with database.reading() as session:
        moment = session.scalars(select(now())).one()
    return {
        rest.work: (rest.until - moment).total_seconds() for rest in rests_of(database, claimant)
    }


def pass_time(database, claimant):
    """Let the rests of a worker be over, and its runs due."""
    earlier = [
        replace(rest, until=rest.until - timedelta(hours=1)).as_json()
        for rest in rests_of(database, claimant)
    ]
    with database.writing() as session:
        session.execute(update(Worker).where(Worker.id == claimant.worker_id).values(rests=earlier))


def test_a_fault_of_a_worker_costs_the_run_nothing_and_rests_the_worker(database, claimant):
    job = submit(database)

    _, state = fail(database, claimant, NO_DATA)

    returned = look(database, job.id)
    assert (state, returned.state, returned.crashes, returned.losses) == ("queued", "queued", 0, 0)
    assert [(a.outcome, a.reason) for a in attempts(database, job.id)] == [
        ("worker_fault", NO_DATA.reason)
    ]
    [rest] = rests_of(database, claimant)
    assert (rest.work, rest.reason, rest.tries, rest.job_id) == (
        "dataset:mnist",
        NO_DATA.reason,
        1,
        job.id,
    )
    assert claim(database, claimant) is None


def test_another_worker_takes_the_run_at_once(database, claimant):
    job = submit(database)
    fail(database, claimant, NO_DATA)

    assert claim(database, start(database, "good")).job_id == job.id


def test_a_worker_that_rests_from_a_dataset_runs_what_waits_behind_it(database, claimant):
    blocked = [submit(database, priority=9) for _ in range(3)]
    fail(database, claimant, NO_DATA)
    other = submit(database, "digits")

    assert polling.poll(database, claimant).due_in_s <= 0
    assert claim(database, claimant).job_id == other.id
    assert polling.poll(database, claimant).due_in_s is None
    assert {look(database, job.id).state for job in blocked} == {"queued"}


@pytest.mark.parametrize(("device", "runs"), [("auto", False), ("cuda", False), ("cpu", True)])
def test_a_worker_whose_gpus_cannot_be_used_computes_on_its_cpu(database, device, runs):
    worker = start(database, capacity=TWO_GPUS)
    submit(database, device="cuda", priority=9)
    fail(database, worker, NO_GPU)
    submit(database, "digits", device=device)

    assert (claim(database, worker) is not None) == runs


def test_on_a_cpu_alone_a_rest_of_the_gpus_is_none():
    wanted = Requirements("auto", 1)

    assert Capacity(1, 1, rests=frozenset({GPUS})).fits(wanted)
    assert not Capacity(1, 1, rests=frozenset({EVERYTHING})).fits(wanted)


def test_a_worker_that_rests_from_everything_claims_nothing(database, claimant):
    submit(database)
    fail(database, claimant, FULL)
    submit(database, "digits", device="cpu")

    assert claim(database, claimant) is None
    assert polling.poll(database, claimant).due_in_s is None


def test_each_try_in_vain_makes_the_rest_longer_up_to_half_an_hour(database, claimant):
    submit(database)
    lasting = []
    for _ in range(8):
        fail(database, claimant, NO_DATA)
        lasting.append(round(pauses(database, claimant)[NO_DATA.work]))
        pass_time(database, claimant)

    assert lasting == [30, 60, 120, 240, 480, 960, 1800, 1800]
    assert rests_of(database, claimant)[0].tries == 8


def test_when_a_rest_is_over_one_run_tries_and_the_others_wait_for_it(database, claimant):
    first, second = submit(database), submit(database)
    fail(database, claimant, NO_DATA)
    pass_time(database, claimant)

    lease = claim(database, claimant)

    assert (lease.job_id, lease.trial) == (first.id, frozenset({NO_DATA.work}))
    assert claim(database, claimant) is None
    rests.end(database, claimant.worker_id, lease.trial)
    assert claim(database, claimant).job_id == second.id
    assert claim(database, claimant) is None


def test_racing_threads_of_a_worker_make_one_trial(database, database_address, claimant):
    for _ in range(6):
        submit(database)
    fail(database, claimant, NO_DATA)
    pass_time(database, claimant)
    leases = []

    def claim_once():
        with Database(database_address) as own:
            leases.append(claim(own, claimant))

    threads = [threading.Thread(target=claim_once) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len([lease for lease in leases if lease]) == 1


def test_a_run_that_is_no_trial_says_so(database, claimant):
    submit(database)
    fail(database, claimant, NO_DATA)
    submit(database, "digits")
    pass_time(database, claimant)

    assert claim(database, claimant).trial == {NO_DATA.work}
    assert claim(database, claimant).trial == frozenset()


def test_a_run_waits_for_its_data_however_often_it_is_tried(database, claimant):
    job = submit(database)
    for _ in range(12):
        assert fail(database, claimant, NO_DATA)[1] == "queued"
        pass_time(database, claimant)

    assert look(database, job.id).state == "queued"


def test_a_run_that_somebody_stopped_meanwhile_is_not_queued_again(database, claimant):
    job = submit(database)
    lease = claim(database, claimant)
    lifecycle.pause(database, job.id, LOCAL_OWNER)

    assert endings.end(database, lease, "worker_fault", NO_DATA) == "paused"
    lifecycle.resume(database, job.id, LOCAL_OWNER)
    pass_time(database, claimant)
    lease = claim(database, claimant)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)
    assert endings.end(database, lease, "worker_fault", NO_DATA) == "cancelled"


def test_a_person_ends_the_rests_of_a_worker_and_the_run_says_who(database, claimant):
    job = submit(database)
    fail(database, claimant, NO_DATA)

    assert rests.resume(database, claimant.worker_id, LOCAL_OWNER) == ["default"]

    assert rests_of(database, claimant) == []
    with database.reading() as session:
        event = session.scalars(select(JobEvent).where(JobEvent.kind == "worker_resumed")).one()
    assert (event.job_id, event.actor["name"], event.payload) == (job.id, "owner", {"worker": "w"})
    assert claim(database, claimant).job_id == job.id


def test_a_rest_ends_also_where_the_run_that_met_it_is_gone(database, claimant):
    gone, _ = fail(database, claimant, submitted_for(database, "mnist"))
    there, _ = fail(database, claimant, submitted_for(database, "digits"))
    deletion.delete(database, gone.job_id, LOCAL_OWNER, undo_s=0.0)
    assert deletion.purge(database) == 1
    assert {rest.job_id for rest in rests_of(database, claimant)} == {gone.job_id, there.job_id}

    rests.resume(database, claimant.worker_id, LOCAL_OWNER)

    assert rests_of(database, claimant) == []
    with database.reading() as session:
        runs = select(JobEvent.job_id).where(JobEvent.kind == "worker_resumed")
        assert session.scalars(runs).all() == [there.job_id]


def submitted_for(database, dataset):
    """The fault that a worker has not the data of a run that waits."""
    submit(database, dataset)
    return Failure("data_unavailable", plain("No network."), work=of_dataset(dataset))


def test_ending_no_rest_changes_nothing(database, claimant):
    rests.resume(database, claimant.worker_id, LOCAL_OWNER)

    with database.reading() as session:
        assert session.scalars(select(JobEvent)).all() == []


@pytest.mark.parametrize("worker_id", [99, 2**70])
def test_an_unknown_worker_has_no_rests(database, worker_id):
    with pytest.raises(NotFound, match="no worker"):
        rests.resume(database, worker_id, LOCAL_OWNER)


def test_only_a_person_may_end_a_rest(database, claimant):
    with pytest.raises(Forbidden, match="may not end the rest"):
        rests.resume(database, claimant.worker_id, REAPER)
