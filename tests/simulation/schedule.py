"""One schedule: people, workers and time, in an order that follows from the seed.

After each step the rows are looked at (`rows.py`), what a claim took and what a poll saw is
compared with the whole queue, and what somebody was told is held against what then is. At the end
all faults stop, every run must end, and `tests/faults/checker.py` looks at what is left.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from core.database.engine import Database
from core.database.models import Job
from core.errors import Conflict, NotFound, Unavailable
from core.jobs import deletion, lifecycle, policies, rests, snapshots
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.capacity import EVERYTHING, GPUS, Capacity, of_dataset
from core.jobs.lease import Lease
from core.jobs.polling import NOTIFY_AGAIN_S
from core.states import FINAL
from tests.faults import checker
from tests.simulation import evidence, rows, trainer
from tests.simulation.clock import BEGINNING, SimulatedClock
from tests.simulation.faults import FAULT_KINDS, FaultKind, FaultyCalls
from tests.simulation.rows import Broken, Invariants, JobRow, Queue, Reader
from tests.simulation.store import SimulatedStore
from tests.simulation.worker import (
    LEASE_S,
    LONGEST_GAP_S,
    OUTCOMES,
    Ending,
    Hardware,
    Host,
    Run,
    SimulatedWorker,
)

DATASETS = ("digits", "digits", "mnist")
WORK = (of_dataset("digits"), GPUS, EVERYTHING)
"""What a worker can be unable to do."""

OWNERS = (LOCAL_OWNER, Actor("user", "7", "Ada", "administrator"))

ACTIONS = 40
JOBS = 4
FIRST_JOBS = 2
UNDO_S = 60.0
"""How long a delete can be undone."""
ROUNDS = 100
"""Rounds in which everything must have ended once nothing fails any more."""

HARDWARE = (Hardware(), Hardware(slots=2), Hardware(threads=2), Hardware(slots=2, gpus=1))

SHAPES = ((1, 3), (2, 5), (3, 2), (2, 40), (1, 130))
"""Epochs and batches of the runs; the larger ones fill segments and buckets."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which schedule, and what fails in it."""

    seed: int
    call: int | None = None
    """The one call that fails; None: calls fail at random."""
    kind: FaultKind = "fails"

    def __str__(self) -> str:
        of_call = "" if self.call is None else f' --call {self.call} --fault "{self.kind}"'
        return f"--seed {self.seed}{of_call}"


class World:
    """A database under a simulated clock, in which one schedule runs after the other."""

    def __init__(self, database: Database, scratch: Path) -> None:
        self.database = database
        self.scratch = scratch / "snapshot"
        self.scratch.mkdir(exist_ok=True)
        self.hosts = [Host.of(scratch, name) for name in ("one", "two")]
        self.clock = SimulatedClock(database)
        self.faults = FaultyCalls(database, self.clock)
        self.reader = Reader(database)

    def __enter__(self) -> Self:
        self.clock.__enter__()
        self.faults.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.faults.__exit__()
        self.clock.__exit__()

    def run(self, plan: Plan) -> Schedule:
        """Run a schedule.

        Raises:
            Broken: with the plan, and what is wrong.
        """
        self.faults.forget()
        with self.faults.suspended():
            rows.empty(self.database)
        self.clock.set(BEGINNING)
        schedule = Schedule(self, plan)
        try:
            schedule.run()
        except Exception as error:  # what nobody expects is a fault as well
            what = str(error) if isinstance(error, Broken) else repr(error)
            tail = "\n  ".join(schedule.log[-25:])
            raise Broken(f"{plan}: {what}\n  {tail}") from error
        return schedule


Name = Literal[
    "submit", "cancel", "pause", "resume", "retry", "restart", "delete", "restore", "claim", "work",
    "beat", "kill", "drain", "crash", "hang", "fail", "damage", "store", "wait", "set", "freeze",
    "cut off", "harm", "end rests",
]  # fmt: skip

_CHANCES: dict[Name, int] = {
    "submit": 8, "cancel": 2, "pause": 4, "resume": 5, "retry": 4, "restart": 2, "delete": 3,
    "restore": 2, "claim": 16, "work": 34, "beat": 10, "kill": 2, "drain": 2, "crash": 2, "hang": 1,
    "fail": 1, "damage": 1, "store": 1, "wait": 6, "set": 1, "freeze": 3, "cut off": 2,
    "harm": 4, "end rests": 1,
}  # fmt: skip
"""How often each is chosen, beside the others."""

_OF_PEOPLE: tuple[Name, ...] = (
    "submit", "cancel", "pause", "resume", "retry", "restart", "delete", "restore", "wait",
)  # fmt: skip


class Schedule:
    """A schedule as it runs."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.log: list[str] = []
        """What was done."""
        self.steps = 0
        self._world = world
        self._plan = plan
        self._database = world.database
        self._chance = random.Random(plan.seed)
        self._store = SimulatedStore()
        self._invariants = Invariants(world.reader, self._store.blobs)
        self._submitted: dict[str, int] = {}
        """Acknowledged jobs by their names."""
        self._broken: Counter[tuple[int, str]] = Counter()
        """How often somebody broke a run, and how."""
        self._is_clock_set = self._is_clock_set_back = False
        self._busy: SimulatedWorker | None = None
        """Who acts: one worker does one thing at a time."""
        self._is_nested = False
        self._workers = [
            SimulatedWorker(
                f"w{number}",
                self._chance.choice(HARDWARE[number == 0 :]),
                self._chance.choice(world.hosts),
                world.database,
                world.clock,
                self._store,
                self._chance,
                world.scratch,
            )
            for number in range(self._chance.randint(1, 3))
        ]
        for worker in self._workers:
            worker.computes = self._computes
        if plan.seed % 2:
            self._allow_preemption()  # before there is a fault
        if plan.call is not None:
            world.faults.plan(plan.call, plan.kind)

    def run(self) -> None:
        """Do everything, to the end."""
        random.seed(self._plan.seed)  # the jitter of a backoff
        self._world.faults.meanwhile = self._act_meanwhile
        self._store.meanwhile = lambda: self._act_meanwhile(among=20)
        for _ in range(FIRST_JOBS):
            self._do("submit", Schedule.submit)
        while self.steps < ACTIONS:
            self._plan_fault()
            self._act()
        self._come_to_the_end()
        self._check_the_end()

    def _allow_preemption(self) -> None:
        with self._database.writing() as session:
            policies.put(session, LOCAL_OWNER, "default", preempts=True)

    # the actions

    def _act(self, among: Mapping[Name, int] = _CHANCES) -> None:
        name = self._chance.choices(list(among), list(among.values()))[0]
        self._do(name, _DOES[name])

    def _do(self, name: str, action: Callable[[Schedule], str | None]) -> None:
        before = self._world.faults.happened
        if not self._is_nested:
            self._busy = None
        for worker in self._workers:
            worker.watch()
        try:
            done = action(self)
        except Unavailable:
            done = "gone wrong"
        if self._world.faults.happened > before:
            done = f"{done} (a call failed)"
        if done is not None:
            self.log.append(f"{name}: {done}")
            self.steps += 1
            self._check()

    def _check(self) -> list[JobRow]:
        jobs = self._invariants.check(self._world.clock.moment)
        names = {job.name: job.id for job in jobs}
        if len(names) < len(jobs):
            raise Broken(f"a job is doubled: {[job.name for job in jobs]}")
        for name, number in self._submitted.items():
            if names.get(name) != number and number not in self._invariants.purged:
                raise Broken(f"{name} was job {number}, and is {names.get(name)}")
        return jobs

    def _plan_fault(self) -> None:
        """Let a call of the next action fail, sometimes."""
        if self._plan.call is None and self._chance.random() < 0.1:
            faults = self._world.faults
            faults.plan(
                faults.calls + self._chance.randint(1, 14), self._chance.choice(FAULT_KINDS)
            )

    def _act_meanwhile(self, among: int = 2) -> None:
        """Let somebody else act while an action waits; they do not fail, and nobody else acts."""
        if self._is_nested or self._chance.randrange(among):
            return
        self._is_nested = True
        self.log.append("meanwhile:")
        has_others = len(self._workers) > 1
        with self._world.faults.suspended():
            self._act(_CHANCES if has_others else {name: _CHANCES[name] for name in _OF_PEOPLE})
        self._is_nested = False

    # people

    def submit(self) -> str | None:
        """A person submits a run, unless there are enough."""
        if len(self._invariants.before) >= JOBS:
            return None
        epochs, batches = self._chance.choice(SHAPES)
        device = self._chance.choice(("cpu", "cpu", "auto"))
        devices, dataset = self._chance.choice((1, 1, 1, 1, 2)), self._chance.choice(DATASETS)
        spec = trainer.spec(epochs, batches, device, devices, dataset)
        name = f"job {self.steps} {self._is_nested}"
        priority = self._chance.randrange(3)
        owner = OWNERS[len(self._submitted) % 2]
        job = lifecycle.submit(self._database, owner, name=name, spec=spec, priority=priority)
        self._submitted[name] = job.id
        return f"{job.id}, {dataset} on {devices} {device}, {epochs} x {batches}"

    def cancel(self) -> str | None:
        """A person cancels a run."""
        return self._ask("cancel", lambda job_id: lifecycle.cancel(*self._of(job_id)))

    def pause(self) -> str | None:
        """A person pauses a run."""
        return self._ask("pause", lambda job_id: lifecycle.pause(*self._of(job_id)))

    def resume(self) -> str | None:
        """A person resumes a run."""
        return self._ask("run", lambda job_id: lifecycle.resume(*self._of(job_id)))

    def retry(self) -> str | None:
        """A person retries a run."""
        return self._ask("run", lambda job_id: lifecycle.retry(*self._of(job_id)))

    def restart(self) -> str | None:
        """A person starts a run over."""
        return self._ask(
            "run", lambda job_id: lifecycle.retry(*self._of(job_id), from_scratch=True)
        )

    def delete(self) -> str | None:
        """A person deletes a run."""
        return self._ask(None, lambda job_id: deletion.delete(*self._of(job_id), UNDO_S))

    def restore(self) -> str | None:
        """A person undoes a delete."""
        return self._ask(None, lambda job_id: deletion.restore(*self._of(job_id)))

    def _of(self, job_id: int) -> tuple[Database, int, Actor]:
        return self._database, job_id, LOCAL_OWNER

    def _ask(self, desired: str | None, ask: Callable[[int], Job]) -> str | None:
        if not self._invariants.before:
            return None
        job_id = self._chance.choice(list(self._invariants.before))
        try:
            job = ask(job_id)
        except (Conflict, NotFound) as error:
            return f"{job_id}: {error}"
        if desired and job.state not in FINAL and job.desired != desired:
            raise Broken(f"job {job_id}: asked for {desired}, and wants {job.desired}")
        return f"{job_id}, which is {job.state} now"

    # workers

    def claim(self) -> str | None:
        """A worker claims, as the queue says that it must."""
        worker = self._worker()
        if worker.free_slots == 0 or worker.is_draining:
            return None
        held = worker.held()
        happened = self._world.faults.happened
        capacity, over = self._capacity(worker)
        queue = self._queue()
        lease = worker.claim(held)
        kept = self._world.reader.kept(self._moment)
        own = worker.register().worker_id
        expected = queue.best(
            ("default",), capacity, held, lambda job_id: kept.get(job_id, own) != own
        )
        if expected is not None and not held.fits(expected.needs):
            expected = None
        has_failed = self._world.faults.happened > happened
        if not has_failed and (lease and lease.job_id) != (expected and expected.id):
            raise Broken(f"{worker.name} took {lease}, {expected} was next")
        if lease is not None and not has_failed:
            self._check_trial(worker, lease, over & capacity.work(lease.needs))
        return f"{worker.name} took {lease and lease.job_id}"

    def _check_trial(self, worker: SimulatedWorker, lease: Lease, trial: frozenset[str]) -> None:
        """A run that tries again what its worker could not do is the only one that does."""
        still_over = trial & self._capacity(worker)[1]
        if lease.trial != trial or still_over:
            raise Broken(f"{lease} is a trial of {trial}, and others may try {still_over}")

    def _capacity(self, worker: SimulatedWorker) -> tuple[Capacity, frozenset[str]]:
        """What a worker has but for what it rests from, and the work of those rests that are over.

        From its row.
        """
        number = worker.register().worker_id
        until = self._world.reader.rests(number)
        now = frozenset(work for work, moment in until.items() if moment > self._moment)
        return replace(worker.hardware.capacity, rests=now), frozenset(until) - now

    def work(self) -> str | None:
        """A worker does one thing for one of its runs."""
        worker, run = self._run()
        if run is None:
            return None
        self._further(worker, run)
        return f"{worker.name}, job {run.lease.job_id}: {run.trainer.step}, {run.ending}"

    def _further(self, worker: SimulatedWorker, run: Run) -> None:
        if not run.has_started and run.ending is None:
            worker.start(run)
        elif run.ending is not None:
            worker.end(run)
        else:
            for each in self._chance.choice(((0,), (0, 1), (0, 0, 1, 2), (0, 2), (2,))):
                (worker.train, worker.save, worker.flush)[each](run)

    def _computes(self, run: Run) -> None:
        """A job is never computed twice: whoever computes it holds it, by the rows."""
        lease = run.lease
        [row] = [job for job in self._world.reader.jobs() if job.id == lease.job_id] or [None]
        if row is None or row.attempt != lease.attempt or not row.is_leased:
            raise Broken(f"attempt {lease.attempt} of job {lease.job_id} computes, and it is {row}")

    def beat(self) -> str | None:
        """A worker beats, takes lost jobs back, looks into the queue, and does what may wait."""
        return self._beat(self._worker())

    def _beat(self, worker: SimulatedWorker) -> str:
        happened = self._world.faults.happened
        result = worker.beat()
        queue, of = self._queue(), (("default",), self._capacity(worker)[0])
        seen = (result.due_in_s, result.are_leases_over, set(result.unnotified_lanes))
        true = (
            queue.due_in_s(*of),
            queue.are_leases_over(),
            queue.unnotified(*of, NOTIFY_AGAIN_S),
        )
        if self._world.faults.happened == happened and seen != true:
            raise Broken(f"{worker.name} saw {seen}, and it was {true}")
        worker.notify(result)
        asked = worker.preempt(result)
        worker.tidy()
        left = len(self._store.blobs)
        return f"{worker.name} saw {seen}, let {asked} give way, {left} blobs are left"

    def kill(self) -> str | None:
        """A worker is killed."""
        worker = self._worker()
        worker.kill()
        return worker.name

    def drain(self) -> str | None:
        """A worker drains; when its runs are handed back, it stops."""
        worker = self._worker()
        if worker.is_draining and not worker.runs:
            worker.stop()
        else:
            worker.is_draining = True
        return worker.name

    def crash(self) -> str | None:
        """A trainer is killed."""
        return self._break("crashed")

    def hang(self) -> str | None:
        """A trainer does nothing any more, or answers once more and is saved."""
        worker, run = self._run()
        if run is None or run.ending is not None or not run.has_started or run.is_hanging:
            return None
        if self._chance.random() < 0.5:
            worker.save(run)
        run.is_hanging = True
        self._broken[run.lease.job_id, "crashed"] += 1
        return f"{worker.name}, job {run.lease.job_id}"

    def fail(self) -> str | None:
        """A trainer meets a fault of the run's own."""
        return self._break("failed")

    def _break(self, ending: Ending) -> str | None:
        worker, run = self._run()
        if run is None or run.ending is not None:
            return None
        run.ending = ending
        self._broken[run.lease.job_id, OUTCOMES[ending]] += 1
        return f"{worker.name}, job {run.lease.job_id}"

    # the world

    def damage(self) -> str | None:
        """The newest snapshot of a run is damaged."""
        if not self._invariants.before:
            return None
        job_id = self._chance.choice(list(self._invariants.before))
        with self._world.faults.suspended(), self._database.reading() as session:
            found = snapshots.newest_first(session, job_id)
        for snapshot in found[:1]:
            self._store.damage(snapshot.blob.sha256)
        return f"of job {job_id}: {len(found[:1])}"

    def store(self) -> str | None:
        """The store goes away, or comes back."""
        self._store.is_away = not self._store.is_away
        return "away" if self._store.is_away else "back"

    def wait(self) -> str | None:
        """Time passes; nobody does anything but watch."""
        seconds = self._chance.choice((0.5, 2.0, 6.0, LEASE_S + 1, 40.0))
        self._world.clock.advance(seconds)
        return f"{seconds} s"

    def set(self) -> str | None:
        """Somebody sets the database's clock.

        Not twice between two looks of a worker: back and forth again shows to it as no gap, and
        the leases that were renewed in between look as if they were long over.
        """
        if not all(worker.has_seen_clock for worker in self._workers):
            return None
        for worker in self._workers:
            worker.has_seen_clock = worker.claimant is None
        seconds = self._chance.choice((-70.0, -5.0, 5.0, 70.0))
        self._world.clock.step(seconds)
        self._is_clock_set = True
        self._is_clock_set_back |= seconds < 0
        return f"{seconds:+} s"

    def harm(self) -> str | None:
        """A worker becomes unable to do some work, or is repaired."""
        worker = self._worker()
        worker.cannot = None if worker.cannot else self._chance.choice(WORK)
        return f"{worker.name} cannot do {worker.cannot}"

    def end_rests(self) -> str | None:
        """A person ends the rests of a worker."""
        worker = self._worker()
        if worker.claimant is None:
            return None
        rests.resume(self._database, worker.claimant.worker_id, LOCAL_OWNER)
        return worker.name

    def freeze(self) -> str | None:
        """A worker stands still, and the others continue; then it does what it was about to do."""
        worker = self._worker(runs=True)
        worker.is_frozen = True
        rounds = self._chance.choice((3, 8))
        try:
            for _ in range(rounds):
                self._world.clock.advance(0.9 * LONGEST_GAP_S)
                self._let_the_others_act(besides=worker)
        finally:
            worker.is_frozen = False
        if self._chance.random() < 0.5:
            worker.watch()
        for run in list(worker.runs):
            worker.flush(run)
        return f"{worker.name} for {rounds} rounds"

    def _let_the_others_act(self, besides: SimulatedWorker) -> None:
        """Trainers train, also those of a worker that stands still; the others beat and renew."""
        for worker in self._free():
            for run in list(worker.runs):
                worker.train(run)
            if worker is not besides:
                worker.watch()
                worker.beat()
                for run in list(worker.runs):
                    worker.flush(run)
                if worker.free_slots and not worker.is_draining:
                    worker.claim(worker.held())

    def cut_off(self) -> str | None:
        """The database is away for one worker, for some of its actions."""
        worker, run = self._run()
        self._world.faults.is_away = True
        try:
            for _ in range(self._chance.randint(1, 4)):
                self._world.clock.advance(self._chance.choice((1.0, 1.0, 5.0)))
                worker.watch()
                if run is not None and run in worker.runs:
                    self._further(worker, run)
        finally:
            self._world.faults.is_away = False
        return worker.name

    # the end

    def _come_to_the_end(self) -> None:
        """Let nothing fail any more: every run must end."""
        self._world.faults.withdraw()
        self._store.is_away = False
        self._store.meanwhile = None
        for worker in self._workers:
            worker.cannot = None
            if worker.is_draining:
                worker.kill()  # a service manager starts it again
        # so that no run waits for more than there is
        self._workers[0].kill()
        self._workers[0].hardware = Hardware(slots=2, gpus=2, threads=2)
        for _ in range(ROUNDS):
            jobs = self._check()
            left = [job for job in jobs if job.state not in FINAL and job.purge_at is None]
            if not left and not any(worker.runs for worker in self._workers):
                return
            for job in left:
                if job.desired == "pause":
                    lifecycle.resume(self._database, job.id, LOCAL_OWNER)
            for worker in self._workers:
                self._settle(worker)
            self._world.clock.advance(LEASE_S / 4)
        raise Broken(f"after {ROUNDS} rounds without a fault these have not ended: {left}")

    def _settle(self, worker: SimulatedWorker) -> None:
        """Let a worker do all that it would do."""
        worker.watch()
        self._beat(worker)
        for run in list(worker.runs):
            if not run.has_started and run.ending is None:
                worker.start(run)
            while run.has_started and run.ending is None and not run.is_hanging:
                worker.train(run)
            if run.ending is None:
                worker.flush(run)
            for _ in range(2):  # what it has reported, then how it has ended
                if run in worker.runs:
                    worker.end(run)
        if worker.free_slots:
            worker.claim(worker.held())

    def _check_the_end(self) -> None:
        with self._world.faults.suspended():
            self._let_go_of_what_is_deleted()
            checker.sweep_unnamed(self._database, self._store)
            reported = {key: run for each in self._workers for key, run in each.lines.items()}
            with self._database.reading() as session:
                met = sum((each.met for each in self._workers), self._broken)
                problems = evidence.problems(session, reported, met)
                problems += evidence.of_files(session, self._store.blobs)
                problems += evidence.of_purged(session, self._invariants.purged)
                if not self._is_clock_set:
                    problems += evidence.of_times(session, reported)
            problems += checker.problems_of_rows(
                self._database, are_times_told=not self._is_clock_set_back
            )
        if problems:
            raise Broken("; ".join(problems))

    def _let_go_of_what_is_deleted(self) -> None:
        deleted = {job.id: job.purge_at for job in self._check() if job.purge_at is not None}
        self._world.clock.set(max([self._world.clock.moment, *deleted.values()]))
        while deletion.purge(self._database):
            pass
        left = deleted.keys() & {job.id for job in self._check()}
        if left:
            raise Broken(f"jobs {left} are deleted, and still there")

    # who

    def _free(self) -> list[SimulatedWorker]:
        """Those who may act: one that waits for its action's end does nothing else."""
        return [worker for worker in self._workers if not self._is_nested or worker != self._busy]

    def _worker(self, *, runs: bool = False) -> SimulatedWorker:
        """A worker that may act, where possible one that runs something."""
        free = self._free()
        worker = self._chance.choice([each for each in free if runs and each.runs] or free)
        if not self._is_nested:
            self._busy = worker
        return worker

    def _run(self) -> tuple[SimulatedWorker, Run | None]:
        worker = self._worker(runs=True)
        return worker, self._chance.choice(worker.runs) if worker.runs else None

    def _queue(self) -> Queue:
        reader = self._world.reader
        return Queue(reader.jobs(), self._moment, reader.uses())

    @property
    def _moment(self) -> datetime:
        return self._world.clock.moment


_DOES: dict[Name, Callable[[Schedule], str | None]] = {
    "submit": Schedule.submit,
    "cancel": Schedule.cancel,
    "pause": Schedule.pause,
    "resume": Schedule.resume,
    "retry": Schedule.retry,
    "restart": Schedule.restart,
    "delete": Schedule.delete,
    "restore": Schedule.restore,
    "claim": Schedule.claim,
    "work": Schedule.work,
    "beat": Schedule.beat,
    "kill": Schedule.kill,
    "drain": Schedule.drain,
    "crash": Schedule.crash,
    "hang": Schedule.hang,
    "fail": Schedule.fail,
    "damage": Schedule.damage,
    "store": Schedule.store,
    "wait": Schedule.wait,
    "set": Schedule.set,
    "freeze": Schedule.freeze,
    "cut off": Schedule.cut_off,
    "harm": Schedule.harm,
    "end rests": Schedule.end_rests,
}
