"""A plain model of the queue: what `core/jobs` must do, in Python that a reader can check by eye.

It knows no database, no lanes and no locks. A method does to the model what the function of the
same name must do to the tables, or raises the same error and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.errors import Conflict, LeaseLost
from core.housekeeping import BEATS_IN_A_LEASE, TIDY_EVERY_S
from core.jobs.capacity import EVERYTHING, Capacity, Requirements
from core.jobs.endings import CRASH_BUDGET, LOSS_BUDGET
from core.jobs.sharing import Use
from core.jobs.snapshots import KEPT
from core.messages import message
from core.states import Desired, EventKind, Outcome, State
from core.workers import SILENT_AFTER_S

ENDED = ("succeeded", "failed", "cancelled")

Kept = Mapping[int, int]
"""The workers that are kept for large jobs, by those."""

Happened = tuple[EventKind, int, State | None]
"""An event: its kind, its attempt, and the state that it led to."""


@dataclass(slots=True)
class ModelTry:
    """What a fault of a worker is judged by."""

    worker: str
    has_secured: bool = False
    """Whether it has a snapshot that is further than those before it."""
    is_forgotten: bool = False
    """Whether a person has asked for a retry since."""


@dataclass(slots=True)
class ModelJob:
    """A job."""

    id: int
    owner: str
    priority: int
    spec_device: str
    needs: Requirements
    available_at: datetime
    state: State = "queued"
    desired: Desired = "run"
    attempt: int = 0
    worker: int | None = None
    """Who took it last."""
    crashes: int = 0
    losses: int = 0
    secured_step: int = 0
    lease_until: datetime | None = None
    pin: Requirements | None = None
    """What the running attempt binds the job to with its next snapshot."""
    step: int = 0
    """Batches of which samples are written."""
    snapshots: list[tuple[int, int]] = field(default_factory=list)
    """Step and attempt of each that is kept, the oldest first."""
    outcomes: list[tuple[Outcome, str | None] | None] = field(default_factory=list)
    """How each attempt ended, and the code of the reason; None: it runs."""
    tries: list[ModelTry] = field(default_factory=list)
    """What else is known of each attempt."""
    error: str | None = None
    """The kind of what it failed by."""
    purge_at: datetime | None = None
    """Until when it can be restored; None: it is not deleted."""
    was_queued: bool = False
    """Whether it waited when it was deleted."""
    history: list[Happened] = field(default_factory=list)

    def happen(self, kind: EventKind, state: State | None = None) -> None:
        """Move to a state, where one is named, and write that into the history."""
        self.history.append((kind, self.attempt, state))
        self.state = state or self.state

    @property
    def unpinned(self) -> Requirements:
        """What the spec alone asks for."""
        return replace(self.needs, device=self.spec_device, precision=None, threads=None)

    @property
    def is_pinned(self) -> bool:
        """Whether the job is bound to what it began with."""
        return self.needs != self.unpinned


@dataclass(slots=True)
class ModelRest:
    """A kind of work that a worker cannot do."""

    tries: int
    until: datetime
    code: str
    job: int


@dataclass(slots=True)
class ModelWorker:
    """A worker that has registered."""

    name: str
    capacity: Capacity
    last_heartbeat_at: datetime
    rests: dict[str, ModelRest] = field(default_factory=dict)
    """By the kind of work."""
    is_lost: bool = False
    has_ended: bool = False
    """Whether nobody is left who holds its lock."""


class ModelQueue:
    """All jobs and workers, and one process that keeps house beside them."""

    def __init__(self, moment: datetime, lease_s: float, keeps_every_s: float) -> None:
        self.moment = moment
        self.jobs: dict[int, ModelJob] = {}
        self.workers: dict[int, ModelWorker] = {}
        self.uses: dict[str, Use] = {}
        """What each owner has used of the devices, and uses."""
        self.most_running: dict[str, int] = {}
        """How many runs of an owner may run at once, where that is limited."""
        self._lease = timedelta(seconds=lease_s)
        self._longest_gap = timedelta(seconds=keeps_every_s + lease_s / BEATS_IN_A_LEASE)
        self._kept_at: datetime | None = None
        self._reaps_after = moment + self._lease
        self._tidy_due = moment

    # people

    def submit(
        self, job_id: int, owner: str, priority: int, device: str, devices: int, dataset: str
    ) -> None:
        needs = Requirements(device, devices, dataset=dataset)
        job = self.jobs[job_id] = ModelJob(job_id, owner, priority, device, needs, self.moment)
        job.happen("submitted", "queued")

    def cancel(self, job_id: int) -> None:
        job = self._that_is_there(job_id)
        if job.state in ("queued", "paused"):
            job.desired, job.snapshots = "cancel", []
            job.happen("cancelled", "cancelled")
        elif job.state == "running" and job.desired != "cancel":
            job.desired = "cancel"
            job.happen("cancel_requested")

    def pause(self, job_id: int) -> None:
        job = self._that_may_be_changed(job_id)
        if job.state == "queued":
            job.desired = "pause"
            job.happen("paused", "paused")
        elif job.desired == "run":
            job.desired = "pause"
            job.happen("pause_requested")

    def resume(self, job_id: int) -> None:
        job = self._that_may_be_changed(job_id)
        if job.state == "paused":
            job.desired, job.available_at = "run", self.moment
            job.happen("resumed", "queued")
        elif job.desired == "pause":
            job.desired = "run"
            job.happen("pause_withdrawn")

    def retry(self, job_id: int, *, from_scratch: bool) -> None:
        job = self._that_is_there(job_id)
        is_freed = from_scratch and job.state == "queued" and job.is_pinned
        if job.state != "failed" and not is_freed:
            raise _CONFLICT
        job.desired, job.available_at = "run", self.moment
        job.crashes = job.losses = 0
        job.error = None
        for attempted in job.tries:
            attempted.is_forgotten = True
        if from_scratch:
            job.snapshots, job.secured_step = [], 0
            job.needs = job.unpinned
        job.happen("retried", None if is_freed else "queued")

    def delete(self, job_id: int, undo_s: float) -> None:
        job = self.jobs[job_id]
        if job.state == "running":
            raise _CONFLICT
        if job.purge_at is not None:
            return
        job.purge_at = self.moment + timedelta(seconds=undo_s)
        job.was_queued = job.state == "queued"
        if job.was_queued:
            job.desired = "pause"
        job.happen("deleted", "paused" if job.was_queued else None)

    def restore(self, job_id: int) -> None:
        job = self.jobs[job_id]
        if job.purge_at is None:
            return
        if job.purge_at <= self.moment:
            raise _CONFLICT
        job.purge_at = None
        if job.was_queued:
            job.desired, job.available_at = "run", self.moment
        job.happen("restored", "queued" if job.was_queued else None)

    def _that_is_there(self, job_id: int) -> ModelJob:
        job = self.jobs[job_id]
        if job.purge_at is not None:
            raise _CONFLICT
        return job

    def _that_may_be_changed(self, job_id: int) -> ModelJob:
        job = self._that_is_there(job_id)
        if job.state in ENDED or job.desired == "cancel":
            raise _CONFLICT
        return job

    # workers

    def register(self, worker_id: int, name: str, capacity: Capacity) -> None:
        self.workers[worker_id] = ModelWorker(name, capacity, self.moment)

    def beat(self, worker_id: int) -> None:
        worker = self.workers[worker_id]
        worker.last_heartbeat_at, worker.is_lost = self.moment, False

    def resting(self, worker_id: int) -> Capacity:
        """What a run can have of a worker, but for what that rests from."""
        worker = self.workers[worker_id]
        rests = (work for work, rest in worker.rests.items() if rest.until > self.moment)
        return replace(worker.capacity, rests=frozenset(rests))

    def heads(self, worker_id: int) -> list[ModelJob]:
        """What is next on a worker of each owner and each need.

        The highest priority, then whose owner has used least, then the oldest.
        """
        capacity = self.resting(worker_id)
        due = [
            job
            for job in self.jobs.values()
            if job.state == "queued"
            and job.available_at <= self.moment
            and capacity.fits(job.needs)
            and self._may_begin(job.owner)
        ]
        found: dict[tuple[str, Requirements], ModelJob] = {}
        for job in sorted(due, key=self._place):
            found.setdefault((job.owner, job.needs), job)
        return list(found.values())

    def next(self, worker_id: int, one_slot: Capacity, kept: Kept) -> ModelJob | None:
        """The job that a worker may take next, or for which it may be kept."""
        for job in self.heads(worker_id):
            if one_slot.fits(job.needs) or kept.get(job.id) in (None, worker_id):
                return job
        return None

    def _place(self, job: ModelJob) -> tuple[int, float, int]:
        return -job.priority, self._use(job.owner).rank(self.moment), job.id

    def _use(self, owner: str) -> Use:
        return self.uses.get(owner, Use())

    def _may_begin(self, owner: str) -> bool:
        running = [
            job for job in self.jobs.values() if job.state == "running" and job.owner == owner
        ]
        return owner not in self.most_running or len(running) < self.most_running[owner]

    def _count(self, job: ModelJob, sign: int) -> None:
        """An attempt has begun, or ended."""
        use = self._use(job.owner).at(self.moment)
        self.uses[job.owner] = use.changed(sign * job.needs.devices, sign)

    def claim(
        self, worker_id: int, held: Capacity, kept: Kept
    ) -> tuple[int, frozenset[str]] | None:
        """Take a job; its id, and what of the worker's rests it is to try.

        A job that needs more than is held is passed where another worker is kept for it.
        """
        others = (
            job
            for job in self.heads(worker_id)
            if held.fits(job.needs) or kept.get(job.id) in (None, worker_id)
        )
        job = next(others, None)
        if job is None or not held.fits(job.needs):
            return None
        worker = self.workers[worker_id]
        trial = worker.capacity.work(job.needs) & worker.rests.keys()
        for work in trial:
            rest = worker.rests[work]
            rest.until = self.moment + _pause(rest.tries)
        job.attempt += 1
        job.worker = worker_id
        job.tries.append(ModelTry(worker.name))
        job.outcomes.append(None)
        job.lease_until, job.pin = self.moment + self._lease, None
        self._count(job, 1)
        job.happen("claimed", "running")
        return job.id, trial

    def end_rests(self, worker_id: int, work: frozenset[str]) -> None:
        """The worker was seen to do some kinds of work."""
        for each in work:
            self.workers[worker_id].rests.pop(each, None)

    def resume_worker(self, worker_id: int) -> None:
        worker = self.workers[worker_id]
        for job_id in sorted({rest.job for rest in worker.rests.values()} & self.jobs.keys()):
            self.jobs[job_id].happen("worker_resumed")
        worker.rests.clear()

    def start(self, job_id: int, attempt: int, pin: Requirements) -> int:
        """Begin at the newest snapshot; how many batches it has."""
        job = self._held(job_id, attempt)
        job.step = max((step for step, _ in job.snapshots), default=0)
        job.pin = pin
        job.happen("started")
        return job.step

    def flush(self, job_id: int, attempt: int, step: int, *, saves: bool) -> Desired:
        """Write the batches up to a step, with a snapshot after them where it `saves`."""
        job = self._held(job_id, attempt)
        job.lease_until = self.moment + self._lease
        job.step = max(job.step, step)
        if saves and step:
            assert job.pin is not None
            job.needs = job.pin
            if step > job.secured_step:
                job.tries[-1].has_secured = True
                job.secured_step, job.crashes, job.losses = step, 0, 0
            kept = [each for each in job.snapshots if each != (step, attempt)]
            job.snapshots = sorted([*kept, (step, attempt)])[-KEPT:]
            job.happen("snapshot")
        return job.desired

    def succeed(self, job_id: int, attempt: int) -> None:
        job = self._held(job_id, attempt)
        self._close(job, "succeeded", None)
        job.snapshots = []
        job.happen("finished", "succeeded")

    def end(
        self, job_id: int, attempt: int, outcome: Outcome, kind: str | None, reason: str | None
    ) -> float:
        """End an attempt that did not succeed; seconds after which it is tried again, at most."""
        return self._end(self._held(job_id, attempt), outcome, kind, reason)

    def end_by_worker(self, job_id: int, attempt: int, work: str, kind: str, reason: str) -> None:
        """End an attempt whose worker could not do that kind of work."""
        job = self._held(job_id, attempt)
        assert job.worker is not None
        worker = self.workers[job.worker]
        names = self._same_faults(job, reason)
        may_be_blamed = work == EVERYTHING and kind != "storage_unavailable"
        is_blamed = may_be_blamed and self._is_blamed(job, names)
        before = worker.rests.get(work)
        tries = before.tries + 1 if before else 1
        pause = timedelta(0) if is_blamed else _pause(tries)
        worker.rests.pop(work, None)
        worker.rests[work] = ModelRest(tries, self.moment + pause, reason, job_id)
        self._end(job, "worker_fault", kind, "run.same_fault" if is_blamed else reason)
        if work == EVERYTHING and names.count(worker.name) > 1:
            job.available_at += min(timedelta(seconds=300), 1.25 * pause)

    def _same_faults(self, job: ModelJob, reason: str) -> list[str]:
        """On which workers a run has ended so since it last made progress."""
        names = []
        for attempted, ended in zip(reversed(job.tries), reversed(job.outcomes), strict=True):
            if attempted.is_forgotten:
                break
            if ended in (None, ("worker_fault", reason)):
                names.append(attempted.worker)
            if attempted.has_secured:
                break
        return names

    def _is_blamed(self, job: ModelJob, names: list[str]) -> bool:
        if len(set(names)) >= 3:
            return True
        others = (
            worker.capacity.fits(job.needs)
            for worker in self.workers.values()
            if worker.name not in names
            and not worker.is_lost
            and worker.last_heartbeat_at >= self.moment - timedelta(seconds=SILENT_AFTER_S)
        )
        return len(names) >= 5 and not any(others)

    def reap(self) -> list[int]:
        over = [
            job.id
            for job in self.jobs.values()
            if job.lease_until is not None and job.lease_until < self.moment
        ]
        for job_id in over:
            self._end(self.jobs[job_id], "lost", "lost", "worker.lost")
        return over

    # whoever keeps house

    def keep_house(self) -> bool:
        """Do a round; whether jobs were taken back.

        Who has not looked for long reaps nobody for the time of a lease: the others may not have
        been able to renew. Nor does it know what was before its first look.
        """
        if self._kept_at is None or self.moment - self._kept_at > self._longest_gap:
            self._reaps_after = self.moment + self._lease
        self._kept_at = self.moment
        taken = self._take_back_from_ended()
        if self._may_reap:
            taken += self.reap()
        if self.moment >= self._tidy_due:
            self._tidy_due = self.moment + timedelta(seconds=TIDY_EVERY_S)
            self._tidy()
        return bool(taken)

    @property
    def _may_reap(self) -> bool:
        return self.moment >= self._reaps_after

    def _take_back_from_ended(self) -> list[int]:
        taken = []
        for worker_id, worker in self.workers.items():
            if worker.has_ended and not worker.is_lost:
                worker.is_lost = True
                for job in self.jobs.values():
                    if job.state == "running" and job.worker == worker_id:
                        self._end(job, "lost", "lost", "worker.ended")
                        taken.append(job.id)
        return taken

    def _tidy(self) -> None:
        if self._may_reap:
            silent_since = self.moment - timedelta(seconds=SILENT_AFTER_S)
            for worker in self.workers.values():
                worker.is_lost |= worker.last_heartbeat_at < silent_since
            for job in list(self.jobs.values()):
                if job.purge_at is not None and job.purge_at <= self.moment:
                    del self.jobs[job.id]

    # every end of an attempt

    def _held(self, job_id: int, attempt: int) -> ModelJob:
        job = self.jobs.get(job_id)
        if job is None or job.state != "running" or job.attempt != attempt:
            raise LeaseLost(message("lease.lost", job_id=job_id, attempt=attempt))
        return job

    def _close(self, job: ModelJob, outcome: Outcome, reason: str | None) -> None:
        job.outcomes[-1] = outcome, reason
        job.lease_until = job.pin = None
        self._count(job, -1)

    def _end(self, job: ModelJob, outcome: Outcome, kind: str | None, reason: str | None) -> float:
        pause_s = 0.0
        if outcome == "cancelled" or (job.desired == "cancel" and outcome != "failed"):
            self._close(job, "cancelled", reason)
            job.desired, job.snapshots = "cancel", []
            if outcome in ("lost", "crashed", "worker_fault"):
                job.happen(outcome)
            job.happen("cancelled", "cancelled")
            return pause_s
        self._close(job, outcome, reason)
        if outcome == "crashed":
            pause_s = 2.0 * 2**job.crashes
            job.crashes += 1
        if outcome == "lost":
            job.losses += 1
        is_spent = job.crashes == CRASH_BUDGET or job.losses == LOSS_BUDGET
        if outcome == "failed" or is_spent or reason == "run.same_fault":
            if outcome != "failed":
                job.happen(outcome)  # type: ignore[arg-type]
            job.happen("failed", "failed")
            job.error = kind
            return 0.0
        job.available_at = self.moment
        again: State = "paused" if job.desired == "pause" else "queued"
        job.happen(outcome, again)  # type: ignore[arg-type]
        return pause_s


def _pause(tries: int) -> timedelta:
    """How long a worker rests after so many tries in vain."""
    return timedelta(seconds=min(1800.0, 30.0 * 2 ** (tries - 1)))


_CONFLICT = Conflict(message("run.being_cancelled", job_id=0))
