"""When each waiting job starts, about: the claim played forward over the slots of the live workers.

Nothing here writes, and nothing here knows words.
"""

from __future__ import annotations

import heapq
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.models import Job, Worker
from core.jobs.capacity import Requirements, capacity_of
from core.spec import facts

LOOKED_AT = 1000
"""Queued jobs of one queue, in the order in which they are claimed; what is beyond has no place."""

RECENT = 200
"""Runs that ended well, over all datasets, in which to look for typical ones."""

TYPICAL_OF = 20

SOON_S = 1.0
"""A slot whose run is about to end is not free yet."""

_DATASET = Job.spec[facts.DATASET].as_string().label("dataset")
_NEEDS = (Job.device, Job.devices, Job.pinned_precision, Job.pinned_threads)
_WORK = (_DATASET, Job.epochs, Job.batches, Job.secured_step)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The line of the due jobs of some queues, and when each of them starts."""

    places: Mapping[int, int]
    """Place of each job in its queue, from 1."""
    lengths: Mapping[str, int]
    """Due jobs of each queue, at most `LOOKED_AT`."""
    starts: Mapping[int, float]
    """Seconds until each job starts; infinite where there is nothing to go by."""
    free: Mapping[int, int]
    """Free slots of each worker, by its id."""


def forecast(session: Session, queues: Iterable[str], workers: Sequence[Worker]) -> Forecast:
    """Play the claim forward for the due jobs of some queues."""
    line = _line(session, set(queues).union(*(each.queues for each in workers)))
    typical = _typical_epoch_s(session)
    slots = _slots(session, workers, typical)
    return Forecast(
        places={job.id: job.position for job in line},
        lengths=Counter(job.queue for job in line),
        free=Counter(owner for each in slots for time, owner in each.free_in_s if not time),
        starts=_starts(line, slots, typical),
    )


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
        select(Job.id, Job.queue, *_NEEDS, *_WORK, due.c.position)
        .join(due, Job.id == due.c.id)
        .where(due.c.position <= LOOKED_AT)
        .order_by(Job.priority.desc(), Job.id)
    ).all()


def _typical_epoch_s(session: Session) -> dict[str, float]:
    """Seconds that an epoch of each dataset takes: the median of recent runs that went well.

    Runs of several attempts are left out: the times between them are in theirs.
    """
    recent = (
        select(Job.id)
        .where(Job.state == "succeeded", Job.attempt == 1, Job.epoch > 0)
        .order_by(Job.id.desc())
        .limit(RECENT)
        .subquery()
    )
    # the epochs that were trained: a run that was stopped early planned more
    rows = session.execute(
        select(_DATASET, Job.epoch, Job.started_at, Job.finished_at)
        .join(recent, Job.id == recent.c.id)
        .order_by(Job.id.desc())
    )
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for dataset, epochs, started_at, finished_at in rows:
        seconds[dataset].append((finished_at - started_at).total_seconds() / epochs)
    return {dataset: statistics.median(each[:TYPICAL_OF]) for dataset, each in seconds.items()}


def _work_s(job: Row[Any], typical: Mapping[str, float]) -> float:
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
    """A heap: in how many seconds each slot is free, and the id of its worker."""

    def fit(self, queue: str, wanted: Requirements) -> bool:
        """Whether such a job could run here."""
        return queue in self.queues and bool(self._givers(wanted))

    def start_of(self, wanted: Requirements) -> tuple[float, int]:
        """In how many seconds a worker has that many slots free at once, and which worker."""
        if wanted.devices == 1 and wanted.precision is None and wanted.threads is None:
            return self.free_in_s[0]
        times: defaultdict[int, list[float]] = defaultdict(list)
        for time, worker_id in sorted(self.free_in_s):
            times[worker_id].append(time)
        return min((times[each][wanted.devices - 1], each) for each in self._givers(wanted))

    def take(self, worker_id: int, devices: int, until_s: float) -> None:
        """Let a job hold the slots of a worker that are free first."""
        if devices == 1 and self.free_in_s[0][1] == worker_id:
            heapq.heapreplace(self.free_in_s, (until_s, worker_id))
            return
        own = sorted(time for time, owner in self.free_in_s if owner == worker_id)
        others = [each for each in self.free_in_s if each[1] != worker_id]
        times = [until_s] * devices + own[devices:]
        self.free_in_s = others + [(time, worker_id) for time in times]
        heapq.heapify(self.free_in_s)

    def keep_for(self, wanted: Requirements, until_s: float) -> None:
        """Let the workers that could run a large job start nothing else before it."""
        waiting = self._givers(wanted)
        self.free_in_s = [
            (max(time, until_s) if owner in waiting else time, owner)
            for time, owner in self.free_in_s
        ]
        heapq.heapify(self.free_in_s)

    def _givers(self, wanted: Requirements) -> set[int]:
        return {each.id for each in self.workers if capacity_of(each).fits(wanted)}


def _slots(
    session: Session, workers: Sequence[Worker], typical: Mapping[str, float]
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
        kind = (frozenset(worker.queues), capacity_of(worker).has_gpus)
        slots = alike.setdefault(kind, _Slots(kind[0], [], []))
        slots.workers.append(worker)
        times = busy[worker.id]
        for time in [*times, *[0.0] * (worker.slots - len(times))]:
            heapq.heappush(slots.free_in_s, (time, worker.id))
    return list(alike.values())


def _starts(
    line: Sequence[Row[Any]], slots: Sequence[_Slots], typical: Mapping[str, float]
) -> dict[int, float]:
    """In how many seconds each job starts, where each takes the slots that are free first.

    Of the slots that lie on the same GPU nothing is known here.
    """
    starts: dict[int, float] = {}
    fitting: dict[tuple[str, Requirements], list[_Slots]] = {}
    for job in line:
        wanted = Requirements(job.device, job.devices, job.pinned_precision, job.pinned_threads)
        kind = (job.queue, wanted)
        if kind not in fitting:
            fitting[kind] = [each for each in slots if each.free_in_s and each.fit(*kind)]
        starts[job.id] = math.inf
        if fitting[kind]:
            options = [(each.start_of(wanted), number) for number, each in enumerate(fitting[kind])]
            (start_s, worker_id), number = min(options)
            starts[job.id] = start_s
            fitting[kind][number].take(worker_id, job.devices, start_s + _work_s(job, typical))
            if job.devices > 1:
                for each in fitting[kind]:
                    each.keep_for(wanted, start_s)
    return starts
