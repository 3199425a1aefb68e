"""A simulated worker: what `worker/` does with `core/jobs`, an action at a time, without threads.

It keeps to the order of the real one: a trainer's end is written when its reports are, a write
whose answer was lost is tried again, and whoever finds its lease lost writes nothing more. Its
fence (`worker/supervisor/fence.py`), its housekeeping (`core/housekeeping.py`) and the lock by
which others see that it has ended (`core/hosts.py`) are the real ones.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from core import workers
from core.database.engine import Database
from core.errors import DatabaseUnavailable, LeaseLost, Unavailable
from core.hosts import HeldLock
from core.housekeeping import BEATS_IN_A_LEASE, TIDY_EVERY_S, House, Housekeeping
from core.jobs import claim as claiming
from core.jobs import endings, polling, preemption, snapshots
from core.jobs.capacity import EVERYTHING, GPUS, Capacity
from core.jobs.claim import Claimant
from core.jobs.endings import Failure, Publication
from core.jobs.lease import Lease
from core.jobs.polling import PollResult
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.messages import Message, message
from core.messaging.pubsub import Topic, Wakeups
from core.protocol.orders import Stop
from core.protocol.reports import Line, Report
from core.retention import maintenance, policy
from core.settings import Settings
from core.states import Outcome
from core.workers import WorkerFacts
from tests.simulation import trainer
from tests.simulation.clock import SimulatedClock
from tests.simulation.store import SimulatedStore
from tests.simulation.trainer import SimulatedTrainer
from worker.supervisor import snapshot_transfer
from worker.supervisor.fence import Fence
from worker.supervisor.trial import Trial

LEASE_S = 15.0
BEAT_EVERY_S = 2.0
LONGEST_GAP_S = BEAT_EVERY_S + LEASE_S / BEATS_IN_A_LEASE
"""Longer ones between two beats say that others may have been cut off."""
UNNAMED_HOURS = 0.02

Ending = Literal[
    "finished", "failed", "crashed", "hung", "cancelled", "paused", "drained", "cut off", "unfit"
]
OUTCOMES: dict[Ending, Outcome] = {
    "failed": "failed",
    "crashed": "crashed",
    "hung": "crashed",
    "cancelled": "cancelled",
    "paused": "paused",
    "drained": "drained",
    "cut off": "drained",
}
FAILURES: dict[Ending, Failure] = {
    "failed": Failure("failed", message("worker.supervisor_failed")),
    "crashed": Failure("crash", message("worker.supervisor_failed")),
    "hung": Failure("hung", message("process.hung", silent_s=300.0, phase="training")),
    "cut off": Failure("cut_off", message("worker.cut_off", silence_s=12.0)),
}

UNFIT_FOR: dict[str, tuple[str, Message]] = {
    "dataset": (
        "data_unavailable",
        message("data.damaged", dataset="Digits", folder="/data", name="digits", detail="empty"),
    ),
    "device": ("device_unusable", message("worker.gpu_unusable", detail="No driver")),
    "disk": ("storage", message("run.file_error", detail="No space left on device")),
    "module": ("import", message("worker.import_failed", detail="No module named x")),
    "store": ("storage_unavailable", message("storage.not_readable", detail="It is away")),
}
"""What a worker can lack: the kind of such a failure, and its reason."""


def failure_of(work: str) -> Failure:
    """The failure of a run whose worker cannot do a kind of work."""
    what = {EVERYTHING: "disk", GPUS: "device"}.get(work, "dataset")
    kind, reason = UNFIT_FOR[what]
    return Failure(kind, reason, work=work)


@dataclass(frozen=True, slots=True)
class Host:
    """What the workers of a host share."""

    boot: str
    settings: Settings
    """Of those that matter here: how long a lease is, and where the workers' locks lie."""

    @classmethod
    def of(cls, folder: Path, name: str) -> Host:
        """A host with a folder of its own."""
        settings = Settings(home=folder / name, lease_seconds=LEASE_S, unnamed_hours=UNNAMED_HOURS)
        return cls(name, settings)


class Silence(Wakeups):
    """Wakes nobody: a wake-up only makes others look sooner."""

    def __init__(self) -> None:
        pass

    def announce(self, topic: Topic, job_id: int) -> None:
        pass


class SimulatedHousekeeping(Housekeeping):
    """The rounds of a worker; what may wait is done when it is told, and in no thread."""

    def __init__(self, house: House, boot: str, clock: SimulatedClock) -> None:
        super().__init__(house, BEAT_EVERY_S)
        self._clock = clock
        self._boot = boot
        self._has_to_tidy = False

    def _tidy(self) -> None:
        self._tidy_due = self._clock.elapsed() + TIDY_EVERY_S
        self._has_to_tidy = True

    def tidy(self) -> None:
        """Do what may wait, where it is due and the database was not away a moment ago."""
        has_to, self._has_to_tidy = self._has_to_tidy, False
        if has_to and self.may_reap:
            self._mark_silent_lost()
            house = self._house
            maintenance.maintain(house.database, house.storage, policy.of(house.settings))


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a worker has."""

    slots: int = 1
    gpus: int = 0
    threads: int = 1

    def facts(self, name: str) -> WorkerFacts:
        """What the worker registers."""
        precisions = ["fp32", "bf16"]
        gpus = [{"kind": "cuda", "precisions": precisions} for _ in range(self.gpus)]
        devices = gpus or [{"kind": "cpu"}]
        return WorkerFacts(name, 1, "0", ["default"], devices, self.slots, self.threads)

    @property
    def capacity(self) -> Capacity:
        """What a run can have of it."""
        return Capacity.of(self.facts("").devices, self.slots, self.threads)


@dataclass(slots=True)
class Run:
    """A job that a worker runs."""

    database: Database
    lease: Lease
    recorder: Recorder
    trainer: SimulatedTrainer
    clock: SimulatedClock
    claimed_at: float
    has_started: bool = False
    is_hanging: bool = False
    is_asked_to_save: bool = False
    ends_at: float = math.inf
    """Until when its trainer computes, by its own count."""
    ending: Ending | None = None
    """How its trainer ended; it has to be written."""
    could_not: str = ""
    """The kind of work that its worker could not do, where that was its end."""
    are_reports_written: bool = False
    files: list[Publication] | None = None
    """What it publishes, once that is stored."""
    lines: list[tuple[str, datetime]] = field(default_factory=list)
    """The log lines of its trainer, and when it wrote them."""
    trial: Trial = field(init=False)
    fence: Fence = field(init=False)

    def __post_init__(self) -> None:
        self.trial = Trial(self.database, self.lease)
        self.fence = Fence(self, LEASE_S, self.claimed_at, self.clock.elapsed)

    def record(self, reports: Iterator[Report] | Sequence[Report]) -> None:
        """Take reports of the trainer."""
        for report in reports:
            if isinstance(report, Line):
                self.lines.append((report.text, self.clock.moment))
                written_at = {"written_at": self.clock.elapsed()}
                self.recorder.record(report.model_copy(update=written_at))
            else:
                self.recorder.record(report)

    # what its fence does with its trainer

    def ask_to_stop(self, how: Stop) -> None:
        self.is_asked_to_save = how == "save"

    def extend(self, ends_at: float) -> None:
        self.ends_at = ends_at

    def kill(self) -> None:
        if self.ending is None:
            self.ending = "cut off"

    def end_in_time(self) -> bool:
        """Let the trainer end where its own time is over; whether it computes no more."""
        if self.ending is None and self.clock.elapsed() >= self.ends_at:
            self.ending = "cut off"
        return self.ending is not None or self.is_hanging


class SimulatedWorker:
    """A worker process."""

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        host: Host,
        database: Database,
        clock: SimulatedClock,
        store: SimulatedStore,
        chance: random.Random,
        scratch: Path,
    ) -> None:
        self.name = name
        self.hardware = hardware
        self.claimant: Claimant | None = None
        """None: it has not registered since it started."""
        self.runs: list[Run] = []
        self.lines: dict[tuple[int, int], list[tuple[str, datetime]]] = {}
        """The log lines of each attempt that it ever ran."""
        self.is_draining = False
        self.is_frozen = False
        """Whether it does nothing; its trainers do."""
        self.has_seen_clock = True
        """Whether it has looked since the database's clock was set."""
        self.cannot: str | None = None
        """The kind of work that it cannot do, whoever runs there."""
        self.met: Counter[tuple[int, str]] = Counter()
        """How often each job met that."""
        self._host = host
        self._clock = clock
        self._lock: HeldLock | None = None
        self._facts: WorkerFacts | None = None
        self._house = House(host.settings, database, store, Silence())
        self._housekeeping = SimulatedHousekeeping(self._house, host.boot, clock)
        self.computes: Callable[[Run], None] = lambda _run: None
        """Called whenever a trainer is about to compute."""
        self._database = database
        self._store = store
        self._chance = chance
        self._scratch = scratch

    def kill(self) -> None:
        """Forget everything, as a killed process does. The next action is of its successor."""
        if self._lock is not None:
            os.close(self._lock.descriptor)  # as the kernel does for a process that has ended
        if self.runs and self._chance.random() < 0.5:
            self._store.leave_part(b"a snapshot")
        self._forget()

    def stop(self) -> None:
        """End on purpose; a successor may start."""
        if self.claimant is not None:
            workers.mark_stopped(self._database, self.claimant.worker_id)
        if self._lock is not None:
            self._lock.release()
        self._forget()

    def _forget(self) -> None:
        self.runs = []
        self.claimant = self._lock = self._facts = None
        self.is_draining = self.is_frozen = False
        self.has_seen_clock = True

    def register(self) -> Claimant:
        """Start, unless it has."""
        if self._lock is None:
            self._lock = HeldLock.take(self._host.settings.data_folder)
        if self.claimant is None:
            facts = self.hardware.facts(self.name)
            self._facts = replace(facts, host=self._host.boot, lock=self._lock.name)
            number = workers.register(self._database, self._facts)
            capacity = self.hardware.capacity
            self.claimant = Claimant(number, ["default"], capacity, self.name)
            self._housekeeping = SimulatedHousekeeping(self._house, self._host.boot, self._clock)
        return self.claimant

    def watch(self) -> None:
        """Do what it does at any time, whatever else it waits for: look at its fences."""
        for run in [] if self.is_frozen else self.runs:
            run.fence.look()
            if run.is_asked_to_save and run.ending is None:
                self.save(run)
                run.ending = "cut off"

    @property
    def free_slots(self) -> int:
        """Slots in which nothing runs."""
        return self.hardware.slots - sum(run.lease.needs.devices for run in self.runs)

    def held(self) -> Capacity:
        """What it would hold for the next run: a slot, or all that are free for a large one."""
        one = claiming.one_slot_of(self.register())
        needs = claiming.next_requirements(self._database, self.register())
        if needs is None or one.fits(needs) or self.free_slots < needs.devices:
            return one
        most = self.hardware.capacity
        return Capacity.of(
            self.hardware.facts("").devices, min(self.free_slots, most.slots), most.threads
        )

    def claim(self, held: Capacity) -> Lease | None:
        """Take a job and begin with it."""
        claimant, claimed_at = self.register(), self._clock.elapsed()
        lease = claiming.claim(self._database, claimant, LEASE_S, held)
        if lease is not None:
            recorder = Recorder(self._database, lease, LEASE_S)
            of_run = SimulatedTrainer.of(lease.spec)
            run = Run(self._database, lease, recorder, of_run, self._clock, claimed_at)
            self.lines[lease.job_id, lease.attempt] = run.lines
            self.runs.append(run)
        return lease

    def start(self, run: Run) -> None:
        """Give the trainer its order, with the newest snapshot that is whole."""
        step = 0
        if run.lease.attempt > 1:
            try:
                path, lines = snapshot_transfer.fetch(
                    self._database, self._store, run.lease, self._scratch
                )
            except Unavailable:  # it waits for both
                return
            run.record(lines)
            step = int(path.read_bytes().split()[2]) if path else 0
        run.record([Line(text=f"Attempt {run.lease.attempt} starts.")])
        gpus = self.hardware.gpus and run.lease.needs.device != "cpu"
        # on some hosts the number of threads decides the bytes, and binds the run to them
        shards = None if self.hardware.threads > 1 else 4
        device = "cuda" if gpus else "cpu"
        if self.cannot != EVERYTHING and self._is_met_by(run):
            return
        run.record([run.trainer.start(step, device, self.hardware.threads, shards)])
        run.has_started = True
        run.trial.started()
        run.ends_at = run.fence.ends_at
        run.fence.order_given()

    def _is_met_by(self, run: Run) -> bool:
        """Let a run end where it is work that the worker cannot do."""
        if self.cannot not in self.hardware.capacity.work(run.lease.needs):
            return False
        run.ending, run.could_not = "unfit", self.cannot
        self.met[run.lease.job_id, "worker_fault"] += 1
        return True

    def train(self, run: Run) -> None:
        """Let the trainer do a few batches."""
        if run.has_started and not run.end_in_time():
            self.computes(run)
            run.record(run.trainer.train(self._chance.choice((1, 1, 2, 7, 40))))
            # a full disk shows when the files are written
            if run.trainer.is_done and not self._is_met_by(run):
                run.ending = "finished"

    def save(self, run: Run) -> None:
        """Store a snapshot of the run, where there is something to save."""
        batch = run.trainer.step
        if self.cannot == EVERYTHING:
            return
        if run.has_started and not run.is_hanging and batch > run.trainer.saved_step:
            run.trainer.saved_step = batch
            if run.recorder.snapshots_waiting >= snapshots.KEPT:
                return
            of = f"{run.lease.job_id} {run.lease.attempt} {batch} {self._chance.random()}"
            try:
                blob = self._store.keep(of.encode())
            except Unavailable:
                return
            run.recorder.secure(SnapshotRef(run.trainer.epoch, batch, blob))

    def flush(self, run: Run) -> None:
        """Write what the run has reported, and stop it where somebody wants that."""
        sent_at = self._clock.elapsed()
        try:
            wanted = run.recorder.flush()
        except DatabaseUnavailable:
            return
        except LeaseLost:
            self.runs.remove(run)
            return
        run.fence.renewed(sent_at)
        if run.ending is not None:
            run.are_reports_written = True
        elif wanted == "cancel":
            run.ending = "cancelled"
        elif wanted in ("pause", "yield") or self.is_draining:
            self.save(run)
            run.ending = "drained" if wanted == "run" else "paused"
        elif run.is_hanging:
            run.ending = "hung"

    def end(self, run: Run) -> None:
        """Write how the run has ended, once all that it reported is written."""
        if run.ending is None:
            return
        if not run.are_reports_written:
            self.flush(run)
            return
        with contextlib.suppress(LeaseLost):
            try:
                self._end(run)
            except Unavailable:
                return
        self.runs.remove(run)

    def _end(self, run: Run) -> None:
        assert run.ending is not None
        if run.ending == "finished":
            if run.files is None:
                blob = self._store.keep(b"weights")  # those of all runs are the same
                run.files = [Publication(blob, run.trainer.epoch, "pt", "model.pt")]
            digest = trainer.weights(run.lease.spec)
            endings.succeed(self._database, run.lease, digest, run.files)
            run.trial.succeeded()
            return
        if run.ending == "unfit":
            failure = failure_of(run.could_not)
            endings.end(self._database, run.lease, "worker_fault", failure)
            return
        if run.ending == "cut off":
            assert run.fence.fired_after_s is not None, "this end would be taken for a crash"
        outcome = OUTCOMES[run.ending]
        endings.end(self._database, run.lease, outcome, FAILURES.get(run.ending))

    def beat(self) -> PollResult:
        """Write that it is live, take lost jobs back, and look for work."""
        claimant = self.register()
        try:
            moment = workers.heartbeat(self._database, claimant.worker_id, self._facts)
            result = polling.poll(self._database, claimant)
            if self._housekeeping.keep(moment, are_leases_over=result.are_leases_over):
                result = polling.poll(self._database, claimant)
        except DatabaseUnavailable:
            self._housekeeping.postpone_reaping()
            raise
        self.has_seen_clock = True
        return result

    def preempt(self, result: PollResult) -> list[int]:
        """Let runs give way to those of a higher priority, on whichever workers."""
        return preemption.preempt(self._database) if result.may_preempt else []

    def tidy(self) -> None:
        """Find who is silent, purge, and delete what nobody needs."""
        self._housekeeping.tidy()

    def notify(self, result: PollResult) -> set[str]:
        """Count the lanes with due jobs as notified."""
        return polling.mark_notified(self._database, result.unnotified_lanes)
