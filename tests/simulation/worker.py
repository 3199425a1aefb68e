"""A simulated worker: what `worker/` does with `core/jobs`, an action at a time, without threads.

It keeps to the order of the real one: a trainer's end is written when its reports are, a write
whose answer was lost is tried again, and whoever finds its lease lost writes nothing more.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from core import workers
from core.database.engine import Database
from core.errors import DatabaseUnavailable, LeaseLost, Unavailable
from core.jobs import claim as claiming
from core.jobs import endings, polling, snapshots
from core.jobs.capacity import Capacity
from core.jobs.claim import Claimant
from core.jobs.endings import Failure, Publication
from core.jobs.lease import Lease
from core.jobs.polling import PollResult
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.messages import message
from core.protocol.reports import Line, Report
from core.states import Outcome
from core.workers import WorkerFacts
from tests.simulation import trainer
from tests.simulation.store import SimulatedStore
from tests.simulation.trainer import SimulatedTrainer
from worker.supervisor import snapshot_transfer

LEASE_S = 15.0

Ending = Literal["finished", "failed", "crashed", "cancelled", "paused", "drained"]


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

    lease: Lease
    recorder: Recorder
    trainer: SimulatedTrainer
    has_started: bool = False
    ending: Ending | None = None
    """How its trainer ended; it has to be written."""
    are_reports_written: bool = False
    lines: list[str] = field(default_factory=list)
    """The log lines of its trainer."""

    def record(self, reports: Iterator[Report] | Sequence[Report]) -> None:
        """Take reports of the trainer."""
        for report in reports:
            if isinstance(report, Line):
                self.lines.append(report.text)
            self.recorder.record(report)


class SimulatedWorker:
    """A worker process."""

    def __init__(
        self,
        name: str,
        hardware: Hardware,
        database: Database,
        store: SimulatedStore,
        chance: random.Random,
        scratch: Path,
    ) -> None:
        self.name = name
        self.hardware = hardware
        self.claimant: Claimant | None = None
        """None: it has not registered since it started."""
        self.runs: list[Run] = []
        self.lines: dict[tuple[int, int], list[str]] = {}
        """The log lines of each attempt that it ever ran."""
        self.is_draining = False
        self._database = database
        self._store = store
        self._chance = chance
        self._scratch = scratch

    def kill(self) -> None:
        """Forget everything, as a killed process does. The next action is of its successor."""
        self.runs = []
        self.claimant = None
        self.is_draining = False

    def register(self) -> Claimant:
        """Start, unless it has."""
        if self.claimant is None:
            number = workers.register(self._database, self.hardware.facts(self.name))
            capacity = self.hardware.capacity
            self.claimant = Claimant(number, ["default"], capacity, self.name)
        return self.claimant

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
        lease = claiming.claim(self._database, self.register(), LEASE_S, held)
        if lease is not None:
            run = Run(
                lease, Recorder(self._database, lease, LEASE_S), SimulatedTrainer.of(lease.spec)
            )
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
        run.record([run.trainer.start(step, device, self.hardware.threads, shards)])
        run.has_started = True

    def train(self, run: Run) -> None:
        """Let the trainer do a few batches."""
        if run.has_started and run.ending is None:
            run.record(run.trainer.train(self._chance.choice((1, 1, 2, 7, 40))))
            if run.trainer.is_done:
                run.ending = "finished"

    def save(self, run: Run) -> None:
        """Store a snapshot of the run, where there is something to save."""
        batch = run.trainer.step
        if run.has_started and batch > run.trainer.saved_step:
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
        try:
            desired = run.recorder.flush()
        except DatabaseUnavailable:
            return
        except LeaseLost:
            self.runs.remove(run)
            return
        if run.ending is not None:
            run.are_reports_written = True
        elif desired == "cancel":
            run.ending = "cancelled"
        elif desired == "pause" or self.is_draining:
            self.save(run)
            run.ending = "paused" if desired == "pause" else "drained"

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
        if run.ending == "finished":
            files = [Publication(self._store.keep(b"weights"), run.trainer.epoch, "pt", "model.pt")]
            endings.succeed(self._database, run.lease, trainer.weights(run.lease.spec), files)
            return
        failure = None
        if run.ending in ("failed", "crashed"):
            failure = Failure(run.ending, message("worker.supervisor_failed"))
        endings.end(self._database, run.lease, cast("Outcome", run.ending), failure)

    def beat(self) -> PollResult:
        """Write that it is live, take lost jobs back, and look for work."""
        claimant = self.register()
        moment = workers.heartbeat(self._database, claimant.worker_id)
        result = polling.poll(self._database, claimant)
        if result.are_leases_over:
            endings.reap(self._database, LEASE_S, moment)
            result = polling.poll(self._database, claimant)
        return result

    def notify(self, result: PollResult) -> set[str]:
        """Count the lanes with due jobs as notified."""
        return polling.mark_notified(self._database, result.unnotified_lanes)

    def sweep(self) -> None:
        """Delete the blobs of discarded snapshots."""
        snapshots.sweep(self._database, self._store)
