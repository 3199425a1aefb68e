"""The explained queue: why a job is not running, its place in line, and for how long about.

Nothing here writes. One call answers for all the jobs of a page: how many statements it takes does
not depend on how many they are.
"""

from __future__ import annotations

import heapq
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from core.database.engine import now
from core.database.models import Attempt, Job, Worker
from core.jobs.queue import CRASH_BUDGET, LOSS_BUDGET
from core.workers import largest_group, live

LOOKED_AT = 1000
"""Queued jobs of one queue, in the order in which they are claimed; what is beyond has no place."""

RECENT = 200
"""Runs that ended well, over all datasets, in which to look for typical ones."""

TYPICAL_OF = 20

SOON_S = 1.0
"""A slot whose run is about to end is not free yet."""

LONGEST_WHY = 100


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """Why a job that is queued or paused is not running."""

    position: int | None
    """Place among the due jobs of its queue, from 1; None where it has none, or a far one."""

    reason: str
    """A sentence without its capital letter and its full stop."""

    eta_s: float | None
    """Seconds until it starts, about; None where there is nothing to go by."""

    is_stuck: bool = False
    """Whether no live worker can run it, however long it waits."""


def explain(session: Session, jobs: Sequence[Job]) -> dict[int, QueueStatus]:
    """Say of each job that is queued or paused why it is not running; by its id."""
    told = {job.id: _paused(job) for job in jobs if job.state == "paused"}
    queued = [job for job in jobs if job.state == "queued"]
    return told | (_explain_queued(session, queued) if queued else {})


def without_time(reason: str) -> str:
    """A reason without how long it is still true for: what is left changes with the line alone."""
    return reason.rsplit("about", 1)[0]


def _paused(job: Job) -> QueueStatus:
    return QueueStatus(None, f"paused by {job.desired_by}" if job.desired_by else "paused", None)


def _explain_queued(session: Session, jobs: Sequence[Job]) -> dict[int, QueueStatus]:
    moment = session.scalars(select(now())).one()
    workers = live(session)
    line = _line(session, {job.queue for job in jobs}.union(*(each.queues for each in workers)))
    places = {place.id: place.position for place in line}
    lengths = Counter(place.queue for place in line)
    typical = _typical_epoch_s(session)
    slots = _slots(session, workers, typical)
    free = Counter(owner for each in slots for time, owner in each.free_in_s if not time)
    starts = _starts(line, slots, typical)
    held = [job for job in jobs if job.available_at > moment]
    ends = _last_ends(session, held) if held else {}

    def status(job: Job) -> QueueStatus:
        stuck = _why_stuck(job, workers)
        if stuck:
            return QueueStatus(places.get(job.id), stuck, None, is_stuck=True)
        if job.id in ends:
            return _held(job, ends[job.id], moment)
        if job.id in places:
            return _in_line(job, places[job.id], starts[job.id], workers, free)
        if lengths[job.queue] < LOOKED_AT:  # it was claimed while we looked
            return QueueStatus(None, "about to start", 0.0)
        return QueueStatus(None, f"more than {LOOKED_AT:,} runs ahead", None)

    return {job.id: status(job) for job in jobs}


_DATASET = Job.spec["dataset"].as_string().label("dataset")
_WORK = (_DATASET, Job.epochs, Job.batches, Job.secured_step)


def _line(session: Session, queues: Iterable[str]) -> Sequence[Row[Any]]:
    """The due jobs of some queues in the order in which they are claimed, each with its place."""
    place = func.row_number().over(partition_by=Job.queue, order_by=(Job.priority.desc(), Job.id))
    due = (
        select(Job.id, place.label("position"))
        .where(Job.state == "queued", Job.queue.in_(queues), Job.available_at <= now())
        .subquery()
    )
    # what is read of the spec is read of these alone: the line may be much longer
    return session.execute(
        select(Job.id, Job.queue, Job.device, Job.devices, *_WORK, due.c.position)
        .join(due, Job.id == due.c.id)
        .where(due.c.position <= LOOKED_AT)
        .order_by(Job.priority.desc(), Job.id)
    ).all()


def _typical_epoch_s(session: Session) -> dict[str, float]:
    """Seconds that an epoch of each dataset takes: the median of recent runs that went well.

    Those of several attempts are left out: the times between them are in theirs.
    """
    recent = (
        select(Job.id)
        .where(Job.state == "succeeded", Job.attempt == 1)
        .order_by(Job.id.desc())
        .limit(RECENT)
        .subquery()
    )
    rows = session.execute(
        select(_DATASET, Job.epochs, Job.started_at, Job.finished_at)
        .join(recent, Job.id == recent.c.id)
        .order_by(Job.id.desc())
    )
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for dataset, epochs, started_at, finished_at in rows:
        seconds[dataset].append((finished_at - started_at).total_seconds() / epochs)
    return {dataset: statistics.median(each[:TYPICAL_OF]) for dataset, each in seconds.items()}


def _work_s(job: Row[Any], typical: dict[str, float]) -> float:
    """Seconds that a job has before it; infinite where there is nothing to go by."""
    if job.dataset not in typical:
        return math.inf
    done = float(job.secured_step / job.batches) if job.batches else 0.0
    return typical[job.dataset] * max(0.0, float(job.epochs) - done)


@dataclass(slots=True)
class _Slots:
    """Slots of workers that may run the same jobs."""

    queues: frozenset[str]
    workers: list[Worker]
    free_in_s: list[tuple[float, int]]
    """A heap: in how many seconds each slot is free, and the worker that it is of."""

    def fit(self, queue: str, device: str, devices: int) -> bool:
        """Whether such a job could run here."""
        return queue in self.queues and bool(self._givers(device, devices))

    def start_of(self, device: str, devices: int) -> tuple[float, int]:
        """In how many seconds a worker has that many slots free at once, and which worker."""
        if devices == 1:
            return self.free_in_s[0]
        times: defaultdict[int, list[float]] = defaultdict(list)
        for time, worker_id in sorted(self.free_in_s):
            times[worker_id].append(time)
        return min((times[each][devices - 1], each) for each in self._givers(device, devices))

    def take(self, worker_id: int, devices: int, until_s: float) -> None:
        """Let a job hold the slots of a worker that are free first."""
        if devices == 1:
            heapq.heapreplace(self.free_in_s, (until_s, worker_id))
            return
        own = sorted(time for time, owner in self.free_in_s if owner == worker_id)
        others = [each for each in self.free_in_s if each[1] != worker_id]
        times = [until_s] * devices + own[devices:]
        self.free_in_s = others + [(time, worker_id) for time in times]
        heapq.heapify(self.free_in_s)

    def keep_for(self, device: str, devices: int, until_s: float) -> None:
        """Let the workers that could run a large job start nothing else before it."""
        waiting = self._givers(device, devices)
        self.free_in_s = [
            (max(time, until_s) if owner in waiting else time, owner)
            for time, owner in self.free_in_s
        ]
        heapq.heapify(self.free_in_s)

    def _givers(self, device: str, devices: int) -> set[int]:
        return {each.id for each in self.workers if largest_group(each, device) >= devices}


def _slots(
    session: Session, workers: Sequence[Worker], typical: dict[str, float]
) -> Sequence[_Slots]:
    """The slots of all live workers, and when each is free."""
    busy: defaultdict[int, list[float]] = defaultdict(list)
    for job in session.execute(
        select(Job.worker_id, Job.desired, Job.devices, Job.eta_s, *_WORK).where(
            Job.state == "running", Job.worker_id.in_([worker.id for worker in workers])
        )
    ):
        left = job.eta_s if job.eta_s is not None else _work_s(job, typical)
        being_stopped = job.desired != "run"
        time = SOON_S if being_stopped else max(SOON_S, left)
        busy[job.worker_id] += [time] * job.devices
    alike: dict[tuple[frozenset[str], bool], _Slots] = {}
    for worker in workers:
        kind = (frozenset(worker.queues), _has_gpu(worker))
        slots = alike.setdefault(kind, _Slots(kind[0], [], []))
        slots.workers.append(worker)
        times = busy[worker.id]
        for time in [*times, *[0.0] * (worker.slots - len(times))]:
            heapq.heappush(slots.free_in_s, (time, worker.id))
    return list(alike.values())


def _starts(
    line: Sequence[Row[Any]], slots: Sequence[_Slots], typical: dict[str, float]
) -> dict[int, float]:
    """In how many seconds each job starts, where each takes the slots that are free first.

    Of the slots that lie on the same GPU nothing is known here.
    """
    starts: dict[int, float] = {}
    fitting: dict[tuple[str, str, int], list[_Slots]] = {}
    for job in line:
        kind = (job.queue, job.device, job.devices)
        if kind not in fitting:
            fitting[kind] = [each for each in slots if each.free_in_s and each.fit(*kind)]
        starts[job.id] = math.inf
        if fitting[kind]:
            options = [
                (each.start_of(*kind[1:]), number) for number, each in enumerate(fitting[kind])
            ]
            (start_s, worker_id), number = min(options)
            starts[job.id] = start_s
            fitting[kind][number].take(worker_id, job.devices, start_s + _work_s(job, typical))
            if job.devices > 1:
                for each in fitting[kind]:
                    each.keep_for(*kind[1:], start_s)
    return starts


def _last_ends(session: Session, jobs: Sequence[Job]) -> dict[int, tuple[str | None, str | None]]:
    """How the last attempt of each job ended, and why."""
    rows = session.execute(
        select(Job.id, Attempt.outcome, Attempt.reason)
        .outerjoin(Attempt, (Attempt.job_id == Job.id) & (Attempt.number == Job.attempt))
        .where(Job.id.in_([job.id for job in jobs]))
    )
    return {job_id: (outcome, reason) for job_id, outcome, reason in rows}


def _why_stuck(job: Job, workers: Sequence[Worker]) -> str | None:
    if not workers:
        return "no worker is live"
    serving = [worker for worker in workers if job.queue in worker.queues]
    if not serving:
        return f"no live worker serves queue {job.queue}"
    if not _fitting(job, serving):
        return f"no live worker that serves queue {job.queue} has {_needs(job)}"
    return None


def _needs(job: Job) -> str:
    if job.devices == 1:
        return "a CUDA GPU"
    kinds = {"cuda": "CUDA GPUs", "cpu": "CPU slots"}
    return f"{job.devices} {kinds.get(job.device, 'devices')}"


def _fitting(job: Job, workers: Sequence[Worker]) -> list[Worker]:
    """The workers that may run a job; every host has a CPU."""
    return [
        worker
        for worker in workers
        if job.queue in worker.queues and largest_group(worker, job.device) >= job.devices
    ]


def _has_gpu(worker: Worker) -> bool:
    return largest_group(worker, "cuda") > 0


def _held(job: Job, end: tuple[str | None, str | None], moment: datetime) -> QueueStatus:
    """It waits for its next try."""
    outcome, why = end
    wait_s = (job.available_at - moment).total_seconds()
    because = f" ({_in_short(why)})" if why else ""
    match outcome:
        case "crashed":
            before = f"its last attempt crashed{because}; try {job.crashes + 1} of {CRASH_BUDGET}"
        case "lost":
            before = f"its last attempt was lost{because}; try {job.losses + 1} of {LOSS_BUDGET}"
        case _:
            before = "it may start"
    return QueueStatus(None, f"{before} in {_about(wait_s)}", wait_s)


def _in_line(
    job: Job, position: int, start_s: float, workers: Sequence[Worker], free: Counter[int]
) -> QueueStatus:
    """It waits for its turn, or does no longer."""
    if start_s == 0:
        return QueueStatus(position, "about to start", 0.0)
    fitting = _fitting(job, workers)
    ahead = position - 1
    turn = f"{ahead:,} run{'s' if ahead > 1 else ''} ahead" if ahead else "next in line"
    together = ""
    if job.devices > 1:
        together = f", needs {job.devices} of one worker at once"
        if not ahead:
            together += f" ({max(free[worker.id] for worker in fitting)} free)"
    eta_s = start_s if math.isfinite(start_s) else None
    time = "" if eta_s is None else f", {_about(eta_s)}"
    return QueueStatus(position, f"{turn} on {_in_words(job, fitting)}{together}{time}", eta_s)


def _in_words(job: Job, workers: Sequence[Worker]) -> str:
    """The slots of some workers: `2 GPU slots`."""
    count = sum(worker.slots for worker in workers)
    kinds = {"GPU" if _has_gpu(worker) else "CPU" for worker in workers}
    if job.device == "cpu":
        kinds = {"CPU"}
    kind = f"{kinds.pop()} " if len(kinds) == 1 else ""
    return f"{count} {kind}slot{'' if count == 1 else 's'}"


def _about(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 60:
        return f"about {whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {minutes} min"
    return f"about {minutes // 60} h {minutes % 60:02} min"


def _in_short(why: str) -> str:
    first = why.strip().splitlines()[0].rstrip(".") if why.strip() else ""
    return first if len(first) <= LONGEST_WHY else f"{first[: LONGEST_WHY - 1]}…"
