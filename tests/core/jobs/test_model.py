"""The queue does what a plain model of it does, in whatever order things are done."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from core import workers
from core.database.models import Attempt, JobEvent, Snapshot, Worker
from core.errors import Conflict, DatabaseUnavailable, LeaseLost
from core.hosts import HeldLock
from core.housekeeping import House
from core.jobs import claim as claiming
from core.jobs import deletion, endings, lifecycle, limits, polling, rests, snapshots
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.capacity import EVERYTHING, GPUS, Capacity, Requirements, of_dataset
from core.jobs.claim import Claimant
from core.jobs.endings import Failure
from core.jobs.polling import NOTIFY_AGAIN_S
from core.jobs.recorder import Recorder
from core.jobs.rests import FIRST_S, LONGEST_S
from core.jobs.sharing import Limits
from core.jobs.snapshots import SnapshotRef
from core.queries import metrics
from core.workers import WorkerFacts
from tests.core.jobs.model import ModelQueue, ModelRest
from tests.simulation import rows
from tests.simulation.clock import BEGINNING, SimulatedClock
from tests.simulation.faults import FaultyCalls
from tests.simulation.rows import Invariants, Queue, Reader
from tests.simulation.store import SimulatedStore
from tests.simulation.trainer import SimulatedTrainer, spec
from tests.simulation.worker import (
    BEAT_EVERY_S,
    FAILURES,
    LEASE_S,
    OUTCOMES,
    UNFIT_FOR,
    Host,
    Silence,
    SimulatedHousekeeping,
)

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "10"))
"""More of them find more: `MODEL_EXAMPLES=500 make tests PYTEST=tests/core/jobs/test_model.py`."""

EPOCHS, BATCHES = 3, 4
UNDO_S = 30.0

CPU = [{"kind": "cpu"}]
GPU = [{"kind": "cuda", "precisions": ["fp32", "bf16"]}]
HARDWARE = ((CPU, 1, 1), (CPU, 2, 2), (GPU * 2, 4, 1))
"""Devices, slots and threads of the workers."""

OWNERS = (LOCAL_OWNER, Actor("user", "7", "Ada", "administrator"))
"""More of them than one: the devices are shared among them."""

WHICH = st.integers(0, 7)
ENDINGS = st.sampled_from([*OUTCOMES, "crashed", "hung"])
UNFIT = st.sampled_from([*UNFIT_FOR])


@dataclass
class Attempted:
    """An attempt as its worker knows it, whether or not it still holds the job."""

    lease: claiming.Lease
    recorder: Recorder
    trainer: SimulatedTrainer
    pin: Requirements
    device: str
    threads: int
    has_started: bool = False


class QueueMachine(RuleBasedStateMachine):
    """Does the same to the tables and to the model."""

    def __init__(self, database, clock, faults, host):
        super().__init__()
        self.database, self.clock, self.faults, self.host = database, clock, faults, host
        faults.forget()
        rows.empty(database)
        clock.set(BEGINNING)
        self.reader = Reader(database)
        self.store = SimulatedStore()
        self.seen = Invariants(self.reader, self.store.blobs)
        self.model = ModelQueue(clock.moment, LEASE_S, BEAT_EVERY_S)
        house = House(host.settings, database, self.store, Silence())
        self.housekeeping = SimulatedHousekeeping(house, host.boot, clock)
        self.attempts: list[Attempted] = []

    @initialize()
    def start_workers(self):
        numbers = range(len(HARDWARE))
        self.locks = [HeldLock.take(self.host.settings.data_folder) for _ in numbers]
        self.workers = [self.register(number) for number in numbers]

    def register(self, number):
        """Start a worker, or its successor."""
        devices, slots, threads = HARDWARE[number]
        facts = WorkerFacts(
            f"w{number}", 1, "0", ["default"], devices, slots, threads,
            host=self.host.boot, lock=self.locks[number].name,
        )  # fmt: skip
        worker_id = workers.register(self.database, facts)
        capacity = Capacity.of(devices, slots, threads)
        self.model.register(worker_id, f"w{number}", capacity)
        return Claimant(worker_id, ["default"], capacity, f"w{number}")

    def teardown(self):
        for lock in getattr(self, "locks", []):
            lock.release()

    # people

    @precondition(lambda self: len(self.model.jobs) < 6)
    @rule(
        owner=st.sampled_from(OWNERS),
        priority=st.integers(0, 2),
        device=st.sampled_from(["cpu", "auto", "cuda"]),
        devices=st.sampled_from([1, 1, 2]),
        dataset=st.sampled_from(["digits", "digits", "mnist"]),
    )
    def submit(self, owner, priority, device, devices, dataset):
        chosen = spec(EPOCHS, BATCHES, device, devices, dataset)
        job = lifecycle.submit(self.database, owner, name="job", spec=chosen, priority=priority)
        self.model.submit(job.id, owner.name, priority, device, devices, dataset)

    @rule(owner=st.sampled_from(OWNERS), most=st.sampled_from([None, 1, 2]))
    def limit(self, owner, most):
        limits.put(self.database, LOCAL_OWNER, owner.name, Limits(most_running=most))
        self.model.most_running.pop(owner.name, None)
        if most is not None:
            self.model.most_running[owner.name] = most

    @precondition(lambda self: self.model.jobs)
    @rule(which=WHICH)
    def cancel(self, which):
        self.ask(which, lifecycle.cancel, self.model.cancel)

    @precondition(lambda self: self.model.jobs)
    @rule(which=WHICH)
    def pause(self, which):
        self.ask(which, lifecycle.pause, self.model.pause)

    @precondition(lambda self: self.model.jobs)
    @rule(which=WHICH)
    def resume(self, which):
        self.ask(which, lifecycle.resume, self.model.resume)

    @precondition(lambda self: self.model.jobs)
    @rule(which=WHICH, from_scratch=st.booleans())
    def retry(self, which, from_scratch):
        self.ask(which, lifecycle.retry, self.model.retry, from_scratch=from_scratch)

    @precondition(lambda self: self.model.jobs)
    @rule(which=WHICH)
    def delete(self, which):
        self.ask(which, deletion.delete, self.model.delete, undo_s=UNDO_S)

    @precondition(lambda self: self.model.jobs)
    @rule(which=WHICH)
    def restore(self, which):
        self.ask(which, deletion.restore, self.model.restore)

    def ask(self, which, of_tables, of_model, **options):
        """Ask for something; what the one refuses, the other refuses."""
        job_id = sorted(self.model.jobs)[which % len(self.model.jobs)]
        with both_refuse(Conflict, lambda: of_model(job_id, **options)):
            of_tables(self.database, job_id, LOCAL_OWNER, **options)

    # workers

    @rule(which=WHICH, slots=st.sampled_from([1, 1, 2, 4]), loses_the_answer=st.booleans())
    def claim(self, which, slots, loses_the_answer):
        number = which % len(self.workers)
        claimant, (devices, most, threads) = self.workers[number], HARDWARE[number]
        held = claiming.one_slot_of(claimant)
        if slots > 1:
            held = Capacity.of(devices, min(slots, most), threads)
        if loses_the_answer:
            self.faults.plan_next_commit()
        lease = claiming.claim(self.database, claimant, LEASE_S, held)
        self.faults.withdraw()
        kept = self.reader.kept(self.clock.moment)
        of_model = self.model.claim(claimant.worker_id, held, kept)
        assert (lease and lease.job_id) == (of_model and of_model[0])
        if lease is None:
            return
        # a claim whose answer was lost does not know: the rest lasts, and another run tries
        assert lease.trial == (frozenset() if loses_the_answer else of_model[1])
        needs = lease.needs
        has_gpu = devices is not CPU and needs.device != "cpu"
        device = "cuda" if has_gpu else "cpu"
        # `_pin` of the recorder: the precision is bound where the spec leaves it open
        pin = Requirements(
            device,
            needs.devices,
            "bf16" if has_gpu else "fp32",
            None if has_gpu else threads,
            needs.dataset,
        )
        recorder = Recorder(self.database, lease, LEASE_S)
        self.attempts.append(
            Attempted(lease, recorder, SimulatedTrainer.of(lease.spec), pin, device, threads)
        )

    @precondition(lambda self: self.attempts)
    @rule(
        which=WHICH,
        batches=st.integers(0, BATCHES),
        saves=st.booleans(),
        tries=st.sampled_from([1, 1, 2]),
    )
    def flush(self, which, batches, saves, tries):
        """A worker writes what its trainer did; where it `tries` twice, an answer was lost."""
        attempt = self.attempt(which)
        lease, training = attempt.lease, attempt.trainer
        starts = not attempt.has_started
        if starts:
            attempt.has_started = True
            self.end_rests(attempt, attempt.lease.trial - {EVERYTHING})
            at = self.newest_step(lease.job_id)
            attempt.recorder.record(training.start(at, attempt.device, attempt.threads, None))
        if batches and not training.is_done:
            for report in training.train(batches):
                attempt.recorder.record(report)
        saves = saves and training.step > training.saved_step
        if saves:
            training.saved_step = training.step
            blob = self.store.keep(f"{lease.job_id} {lease.attempt} {training.step}".encode())
            attempt.recorder.secure(SnapshotRef(training.epoch, training.step, blob))

        def of_model():
            if starts:
                self.model.start(lease.job_id, lease.attempt, attempt.pin)
            return self.model.flush(lease.job_id, lease.attempt, training.step, saves=saves)

        with both_refuse(LeaseLost, of_model) as desired:
            for _ in range(tries - 1):
                self.faults.plan_next_commit()
                with pytest.raises(DatabaseUnavailable):
                    attempt.recorder.flush()
            assert attempt.recorder.flush() in desired
        self.faults.withdraw()

    @precondition(lambda self: self.attempts)
    @rule(which=WHICH, ending=ENDINGS)
    def end(self, which, ending):
        lease = self.attempt(which).lease
        outcome, failure = OUTCOMES[ending], FAILURES.get(ending)
        why = (failure.kind, failure.reason.code) if failure else (None, None)
        longest = []

        def of_model():
            longest.append(self.model.end(lease.job_id, lease.attempt, outcome, *why))

        with both_refuse(LeaseLost, of_model):
            endings.end(self.database, lease, outcome, failure)
        if longest and longest[0]:
            [job] = [job for job in self.reader.jobs() if job.id == lease.job_id]
            pause_s = (job.available_at - self.clock.moment).total_seconds()
            assert longest[0] / 2 - 0.001 <= pause_s <= longest[0] + 0.001
            self.model.jobs[job.id].available_at = job.available_at

    @precondition(lambda self: self.attempts)
    @rule(which=WHICH, what=UNFIT)
    def find_unfit(self, which, what):
        """An attempt meets something that its worker cannot do."""
        self.end_by_worker(self.attempt(which), what)

    @precondition(lambda self: len(self.model.jobs) < 6)
    @rule(which=WHICH, what=UNFIT, times=st.integers(1, 6), moves_on=st.booleans())
    def find_unfit_again(self, which, what, times, moves_on):
        """A worker, or one after the other, can do nothing whenever it tries."""
        self.submit(OWNERS[0], 2, "auto", 1, "digits")
        for number in range(times):
            taker = which + number if moves_on else which
            before = len(self.attempts)
            for _ in range(2):  # while one tries again, the next finds other work at most
                self.claim(taker, 1, loses_the_answer=False)
            self.the_jobs_are_those_of_the_model()
            self.the_rests_are_those_of_the_model()
            for attempt in self.attempts[before:]:
                self.end_by_worker(attempt, what)
            if not moves_on:
                self.wait(LONGEST_S + 1)

    def end_by_worker(self, attempt, what):
        lease = attempt.lease
        if what == "device" and attempt.device == "cpu":
            what = "dataset"
        kind, reason = UNFIT_FOR[what]
        work = {"dataset": of_dataset(lease.needs.dataset), "device": GPUS}.get(what, EVERYTHING)

        def of_model():
            self.model.end_by_worker(lease.job_id, lease.attempt, work, kind, reason.code)

        with both_refuse(LeaseLost, of_model):
            failure = Failure(kind, reason, work=work)
            endings.end(self.database, lease, "worker_fault", failure)

    def end_rests(self, attempt, work):
        """A worker was seen to do what it tries again."""
        worker_id = int(attempt.lease.actor.id)
        rests.end(self.database, worker_id, work)
        self.model.end_rests(worker_id, work)

    @rule(which=WHICH)
    def resume_worker(self, which):
        worker_id = self.workers[which % len(self.workers)].worker_id
        rests.resume(self.database, worker_id, LOCAL_OWNER)
        self.model.resume_worker(worker_id)

    @precondition(lambda self: self.attempts)
    @rule(which=WHICH)
    def succeed(self, which):
        attempt = self.attempt(which)
        lease = attempt.lease
        of_model = partial(self.model.succeed, lease.job_id, lease.attempt)
        with both_refuse(LeaseLost, of_model) as answers:
            endings.succeed(self.database, lease, "0" * 64, [])
        if answers:
            self.end_rests(attempt, lease.trial)

    @rule()
    def reap(self):
        assert endings.reap(self.database, LEASE_S) == self.model.reap()

    @rule()
    def sweep(self):
        snapshots.sweep(self.database, self.store)

    @rule(which=WHICH)
    def beat(self, which):
        worker_id = self.workers[which % len(self.workers)].worker_id
        workers.heartbeat(self.database, worker_id)
        self.model.beat(worker_id)

    @rule(which=WHICH)
    def die(self, which):
        """A worker and its trainers are killed, and a successor starts."""
        number = which % len(self.workers)
        os.close(self.locks[number].descriptor)
        self.model.workers[self.workers[number].worker_id].has_ended = True
        self.locks[number] = HeldLock.take(self.host.settings.data_folder)
        self.workers[number] = self.register(number)

    @rule()
    def keep_house(self):
        assert self.housekeeping.look() == self.model.keep_house()
        self.housekeeping.tidy()

    @rule(which=WHICH, notifies=st.booleans())
    def poll(self, which, notifies):
        claimant = self.workers[which % len(self.workers)]
        result = polling.poll(self.database, claimant)
        uses, most_running = self.reader.uses(), self.model.most_running
        queue = Queue(self.reader.jobs(), self.clock.moment, uses, most_running)
        of = self.model.resting(claimant.worker_id)
        assert result.due_in_s == queue.due_in_s(["default"], of)
        assert result.are_leases_over == queue.are_leases_over()
        unnotified = queue.unnotified(["default"], of, NOTIFY_AGAIN_S)
        assert set(result.unnotified_lanes) == unnotified
        is_due = result.due_in_s is not None and result.due_in_s <= 0
        assert bool(self.model.heads(claimant.worker_id)) == is_due
        one_slot, kept = claiming.one_slot_of(claimant), self.reader.kept(self.clock.moment)
        next_job = self.model.next(claimant.worker_id, one_slot, kept)
        needs = claiming.next_requirements(self.database, claimant)
        assert needs == (next_job and next_job.needs)
        if notifies:
            assert bool(polling.mark_notified(self.database, unnotified)) == bool(unnotified)

    @rule(seconds=st.sampled_from([0.5, 2.0, 6.0, LEASE_S + 1, 2 * FIRST_S]))
    def wait(self, seconds):
        self.clock.advance(seconds)
        self.model.moment = self.clock.moment

    def attempt(self, which) -> Attempted:
        """One of the newest attempts, some of which hold their jobs no longer."""
        return self.attempts[-1 - which % len(self.attempts)]

    def newest_step(self, job_id):
        with self.database.reading() as session:
            return max((each.step for each in snapshots.newest_first(session, job_id)), default=0)

    # what must hold

    @invariant()
    def the_rows_hold_together(self):
        self.seen.check(self.clock.moment)

    @invariant()
    def the_jobs_are_those_of_the_model(self):
        there = [
            (
                job.id, job.state, job.desired, job.attempt, job.priority, job.crashes, job.losses,
                job.secured_step, job.needs, job.lease_expires_at, job.error_kind, job.purge_at,
                job.available_at if job.state == "queued" else None,
            )
            for job in self.reader.jobs()
        ]  # fmt: skip
        assert there == [
            (
                job.id, job.state, job.desired, job.attempt, job.priority, job.crashes, job.losses,
                job.secured_step, job.needs, job.lease_until, job.error, job.purge_at,
                job.available_at if job.state == "queued" else None,
            )
            for job in self.model.jobs.values()
        ]  # fmt: skip

    @invariant()
    def who_is_kept_for_a_job_could_run_it(self):
        for job_id, worker_id in self.reader.kept(self.clock.moment).items():
            job = self.model.jobs.get(job_id)
            if job is not None and job.state == "queued":
                assert self.model.workers[worker_id].capacity.fits(job.needs)

    @invariant()
    def what_is_used_is_that_of_the_model(self):
        assert self.reader.uses() == self.model.uses

    @invariant()
    def the_rests_are_those_of_the_model(self):
        with self.database.reading() as session:
            stored = dict(session.execute(select(Worker.id, Worker.rests)).all())
        assert {
            worker_id: {
                rest.work: ModelRest(rest.tries, rest.until, rest.reason.code, rest.job_id)
                for rest in rests.parse(of_worker)
            }
            for worker_id, of_worker in stored.items()
        } == {worker_id: each.rests for worker_id, each in self.model.workers.items()}

    @invariant()
    def what_belongs_to_the_jobs_is_that_of_the_model(self):
        with self.database.reading() as session:
            happened, outcomes, kept = {}, {}, {}
            for event in session.scalars(select(JobEvent).order_by(JobEvent.id)):
                of_job = happened.setdefault(event.job_id, [])
                of_job.append((event.kind, event.attempt, event.payload.get("state")))
            for attempt in session.scalars(select(Attempt).order_by(Attempt.number)):
                reason = attempt.reason and attempt.reason.code
                ended = attempt.outcome and (attempt.outcome, reason)
                outcomes.setdefault(attempt.job_id, []).append(ended)
            usable = select(Snapshot).where(Snapshot.discarded_at.is_(None))
            for row in session.scalars(usable.order_by(Snapshot.step, Snapshot.attempt)):
                kept.setdefault(row.job_id, []).append((row.step, row.attempt))
            lost = {row.id: row.lost_at is not None for row in session.scalars(select(Worker))}
            steps = {
                job_id: [sample.step for sample in metrics(session, job_id).items]
                for job_id in self.model.jobs
            }
        assert lost == {number: each.is_lost for number, each in self.model.workers.items()}
        assert happened.keys() == self.model.jobs.keys()
        for job in self.model.jobs.values():
            assert happened[job.id] == job.history
            assert outcomes.get(job.id, []) == job.outcomes
            assert kept.get(job.id, []) == job.snapshots
            assert steps[job.id] == list(range(1, job.step + 1))


@contextmanager
def both_refuse(error, of_model):
    """What the model raises, the block must raise; gives what the model returns, in a list."""
    try:
        answer = of_model()
    except error:
        with pytest.raises(error):
            yield []
    else:
        yield [answer]


def test_the_queue_does_what_its_model_does(database, tmp_path):
    host = Host.of(tmp_path, "host")
    with SimulatedClock(database) as clock, FaultyCalls(database, clock) as faults:
        run_state_machine_as_test(
            lambda: QueueMachine(database, clock, faults, host),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=30,
                suppress_health_check=list(HealthCheck),
            ),
        )
