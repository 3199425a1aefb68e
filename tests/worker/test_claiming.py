"""Which slots a thread holds for which job, where some runs need several at once."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from core import queries, workers
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.spec.presets import resolve
from core.workers import WorkerFacts
from tests.services import wait_until
from worker import claiming
from worker.context import WorkerContext
from worker.devices import Device
from worker.slots import Slots, capacity, divide

CPU = [Device("cpu", "CPU")]
GPUS = [Device("cuda", f"GPU {number}", f"uuid-{number}") for number in range(2)]


class Spare:
    """A trainer of a slot; here it only shows where it is."""

    def __init__(self, slot):
        self.slot = slot


class Shelf:
    """The spares of free slots: one for each, unless there is no zygote for it."""

    def __init__(self):
        self.missing = set()
        self.out = set()

    def take(self, slot):
        if slot.number in self.missing:
            return None
        assert slot.number not in self.out, "a slot's spare belongs to whoever holds the slot"
        self.out.add(slot.number)
        return Spare(slot)

    def put_back(self, slot, spare):
        assert spare.slot is slot
        self.out.remove(slot.number)


class Stage:
    """Stands in for supervisors: a job runs until a test lets it end."""

    def __init__(self, context):
        self.context = context
        self.running = {}
        self.order = []
        self._ends = {}

    def supervise(self, context, lease, slots, group, claimed_at):
        return Act(self, lease, slots, group)

    def end(self, *jobs):
        for job in jobs:
            self._ends.setdefault(job.id, threading.Event()).set()

    def run(self, act):
        job_id = act.lease.job_id
        assert job_id not in self.running
        taken = [number for numbers in self.running.values() for number in numbers]
        numbers = [slot.number for slot in act.slots]
        assert not set(taken) & set(numbers), "a slot runs one job"
        self.running[job_id] = numbers
        self.order.append(job_id)
        assert self._ends.setdefault(job_id, threading.Event()).wait(60)
        del self.running[job_id]
        self.context.spares.out -= set(numbers)
        endings.succeed(self.context.database, act.lease, "c" * 64, [])

    def shows(self, *jobs):
        wait_until(lambda: set(self.running) == {job.id for job in jobs}, "they run, no others do")


@dataclasses.dataclass
class Act:
    stage: Stage
    lease: object
    slots: list
    group: object

    def run(self):
        self.stage.run(self)


@pytest.fixture
def start(settings, database, storage, monkeypatch):
    """Makes a worker with so many slots on some devices."""
    made = []

    def make(slots, devices=CPU):
        divided = divide(devices, slots)
        facts = WorkerFacts("w", 1, "0", ["default"], [each.facts() for each in devices], slots)
        context = WorkerContext(
            settings=settings,
            database=database,
            storage=storage,
            notifier=Notifier(settings.redis_url),
            wakeups=Wakeups(settings.redis_url),
            slots=Slots(divided),
            spares=Shelf(),
            claimant=Claimant(workers.register(database, facts), ["default"], capacity(divided)),
        )
        stage = Stage(context)
        monkeypatch.setattr(claiming, "Supervisor", stage.supervise)
        monkeypatch.setattr(claiming, "gather", tuple)
        made.append(context)
        return stage

    yield make
    for context in made:
        context.drain()
        assert context.slots.wait_until_all_free(60)
        assert not context.spares.out


@pytest.fixture
def submit(database):
    def put(devices=1, device="auto", priority=0):
        changes = {"dataset": "digits", "devices": devices, "device": device}
        spec = resolve("quick", changes)
        return lifecycle.submit(database, LOCAL_OWNER, name="job", spec=spec, priority=priority)

    return put


def notify(stage):
    threading.Thread(
        target=claiming.run_next, args=(stage.context,), kwargs={"is_notified": True}
    ).start()


def look(stage):
    threading.Thread(target=claiming.run_next, args=(stage.context,)).start()


def state(database, job):
    with database.reading() as session:
        return queries.job(session, job.id)[0].state


def test_a_run_on_several_devices_takes_a_slot_for_each(start, submit):
    stage, job = start(3), submit(devices=2)

    notify(stage)

    stage.shows(job)
    assert stage.running[job.id] == [0, 1]
    wait_until(stage.context.slots.has_free, "a slot is left")
    stage.end(job)


def test_a_run_on_several_gpus_takes_slots_of_different_ones(start, submit):
    stage, job = start(4, GPUS), submit(devices=2)

    notify(stage)

    stage.shows(job)
    assert stage.running[job.id] == [0, 1]
    stage.end(job)


def test_free_slots_of_one_gpu_do_not_suffice(start, submit, database):
    stage = start(4, GPUS)
    small = [submit() for _ in range(4)]
    for _ in small:
        notify(stage)
    stage.shows(*small)
    large = submit(devices=2)
    on_gpu_0 = [job for job in small if stage.running[job.id][0] % 2 == 0]
    on_gpu_1 = [job for job in small if job not in on_gpu_0]

    stage.end(*on_gpu_0)

    stage.shows(*on_gpu_1)
    claiming.run_next(stage.context)
    assert state(database, large) == "queued"
    stage.end(on_gpu_1[0])
    stage.shows(large, on_gpu_1[1])
    stage.end(large, on_gpu_1[1])


def test_a_run_on_the_cpu_takes_any_slots_of_a_host_with_gpus(start, submit):
    stage, job = start(4, GPUS), submit(devices=4, device="cpu")

    notify(stage)

    stage.shows(job)
    assert stage.running[job.id] == [0, 1, 2, 3]
    stage.end(job)


def test_a_large_run_starts_when_the_last_slot_is_given_back_and_nobody_passes_it(start, submit):
    stage = start(2)
    first = submit()
    notify(stage)
    stage.shows(first)
    large, behind = submit(devices=2), submit()

    for _ in range(3):
        claiming.run_next(stage.context)
    assert set(stage.running) == {first.id}
    stage.end(first)

    stage.shows(large)
    stage.end(large)
    stage.shows(behind)
    stage.end(behind)


def test_of_threads_that_end_their_jobs_at_once_one_takes_the_slots_of_all(start, submit):
    stage = start(3)
    for _ in range(5):
        small = [submit() for _ in range(3)]
        for _ in small:
            notify(stage)
        stage.shows(*small)
        large = submit(devices=3)

        stage.end(*small)

        stage.shows(large)
        stage.end(large)
        assert stage.context.slots.wait_until_all_free(60)


def test_jobs_notified_of_behind_a_large_run_start_once_that_has_its_slots(start, submit):
    stage = start(4)
    first = [submit() for _ in range(3)]
    for _ in first:
        notify(stage)
    stage.shows(*first)
    large, *behind = submit(devices=2), submit(), submit()
    for _ in behind:
        claiming.run_next(
            stage.context, is_notified=True
        )  # in vain: the free slot is the large run's

    stage.end(first[0])

    stage.shows(first[1], first[2], large)
    stage.end(*first[1:])
    stage.shows(large, *behind)
    stage.end(large, *behind)


def test_after_a_large_run_each_of_its_slots_is_used_again(start, submit):
    stage = start(2)
    large, *behind = submit(devices=2), submit(), submit()
    notify(stage)
    stage.shows(large)

    stage.end(large)

    stage.shows(*behind)
    stage.end(*behind)


def test_one_large_run_follows_another(start, submit):
    stage = start(2)
    first, second = submit(devices=2), submit(devices=2)
    notify(stage)
    stage.shows(first)

    stage.end(first)

    stage.shows(second)
    stage.end(second)


@pytest.mark.parametrize("missing", [0, 1])
def test_without_a_trainer_for_each_slot_nothing_is_claimed(start, submit, database, missing):
    stage, job = start(2), submit(devices=2)
    stage.context.spares.missing = {missing}

    claiming.run_next(stage.context)

    assert state(database, job) == "queued"
    assert stage.context.slots.wait_until_all_free(0)
    assert not stage.context.spares.out


def test_a_large_run_that_was_taken_elsewhere_leaves_the_slots_to_others(
    start, submit, monkeypatch
):
    stage = start(2)
    large, small = submit(devices=2), submit()
    wanted = claim.next_requirements

    def too_late(database, claimant):
        found = wanted(database, claimant)
        lifecycle.cancel(database, large.id, LOCAL_OWNER)
        return found

    monkeypatch.setattr(claim, "next_requirements", too_late)

    notify(stage)

    stage.shows(small)
    assert len(stage.running[small.id]) == 1
    wait_until(stage.context.slots.has_free, "a slot is left")
    stage.end(small)


def test_without_a_notification_every_free_slot_is_filled(start, submit):
    stage, jobs = start(3), [submit() for _ in range(4)]

    look(stage)

    stage.shows(*jobs[:3])
    stage.end(*jobs)


def test_a_notification_is_for_one_job(start, submit):
    stage, jobs = start(3), [submit() for _ in range(2)]

    notify(stage)

    stage.shows(jobs[0])
    wait_until(stage.context.slots.has_free, "a slot is left")
    stage.end(*jobs)
    assert stage.context.slots.wait_until_all_free(60)
    assert stage.order == [job.id for job in jobs]


def test_a_worker_that_stops_claims_nothing(start, submit, database):
    stage, job = start(2), submit(devices=2)
    stage.context.draining.set()

    claiming.run_next(stage.context)

    assert state(database, job) == "queued"
