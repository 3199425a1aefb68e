"""When each waiting job starts, about: the claim played forward over the slots of the live workers.

Nothing here writes, and nothing here knows words.
"""

from __future__ import annotations

import heapq
import math
import statistics
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from sqlalchemy import Row, select, union_all
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Job, Lane, Worker
from core.jobs import lanes
from core.jobs.capacity import Requirements, capacity_of
from core.workers import live

LOOKED_AT = 1000
"""Queued jobs of one queue, in the order in which they are claimed; what is beyond has no place."""

RECENT = 200
"""Runs that ended well, over all datasets, in which to look for typical ones."""

TYPICAL_OF = 20

SOON_S = 1.0
"""A slot whose run is about to end is not free yet."""

MAX_AGE_S = 1.0
"""A forecast that a process has made serves all that ask in it for so long."""

LANES_AT_ONCE = 100

_WORK = (Job.dataset, Job.epochs, Job.batches, Job.secured_step)
_SHARED = "forecast"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The line of the due jobs of each queue, and when each of them starts."""

    workers: Sequence[Worker]
    """The live workers."""
    places: Mapping[int, int]
    """Place of each job in its queue, from 1."""
    lengths: Mapping[str, int]
    """Due jobs of each queue, at most `LOOKED_AT`."""
    ends: Mapping[str, tuple[int, int]]
    """The place in the order of the last job of each queue that was looked at."""
    starts: Mapping[int, float]
    """Seconds until each job starts; infinite where there is nothing to go by."""
    free: Mapping[int, int]
    """Free slots of each worker, by its id."""

    def is_far(self, job: Job) -> bool:
        """Whether a due job has more before it than is looked at."""
        is_long = self.lengths.get(job.queue, 0) >= LOOKED_AT
        return is_long and (-job.priority, job.id) > self.ends[job.queue]

    def has(self, job: Job) -> bool:
        """Whether this says something of a due job."""
        return job.id in self.places or self.is_far(job)


def forecast(session: Session, due: Sequence[Job]) -> Forecast:
    """The forecast that this process shares, where it knows some due jobs; else a new one."""
    shared: _SharedForecast | None = session.info.get(_SHARED)
    return shared.get(session, due) if shared else play(session)


def share(database: Database) -> None:
    """Let all that look into a database in this process share a forecast for `MAX_AGE_S`."""
    database.info[_SHARED] = _SharedForecast()


class _SharedForecast:
    """The newest forecast of a process. Safe in several threads: one makes it for all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Forecast | None = None
        self._over_at = 0.0

    def get(self, session: Session, due: Sequence[Job]) -> Forecast:
        with self._lock:
            newest = self._newest
            is_over = monotonic() >= self._over_at
            if newest is None or is_over or not all(newest.has(job) for job in due):
                newest = self._newest = play(session)
                self._over_at = monotonic() + MAX_AGE_S
            return newest


def play(session: Session) -> Forecast:
    """Play the claim forward for the due jobs of all queues."""
    workers = live(session)
    line = _line(session)
    typical = _typical_epoch_s(session)
    slots = _slots(session, workers, typical)
    return Forecast(
        workers,
        places={job.id: job.place for job in line},
        lengths=Counter(job.queue for job in line),
        ends={job.queue: job.key for job in line},
        free=Counter(owner for each in slots for time, owner in each.free_in_s if not time),
        starts=_starts(line, slots, typical),
    )


@dataclass(frozen=True, slots=True)
class _Due:
    """A due job in the line."""

    id: int
    key: tuple[int, int]
    """Jobs that sort first are claimed first."""
    queue: str
    place: int
    wants: Requirements
    work: Row[Any]


def _line(session: Session) -> Sequence[_Due]:
    """The due jobs of all queues in the order in which they are claimed, each with its place.

    Of each lane as many are read as of a queue, by its index.
    """
    lanes_with_jobs = session.execute(
        select(Lane.id, Lane.queue, *lanes.NEEDS).where(now() >= lanes.FIRST_DUE_AT)
    ).all()
    lane_of = {row.id: (row.queue, lanes.needs_of(row)) for row in lanes_with_jobs}
    ids = list(lane_of)
    rows = [
        row
        for start in range(0, len(ids), LANES_AT_ONCE)
        for row in _first_of(session, ids[start : start + LANES_AT_ONCE])
    ]
    places: Counter[str] = Counter()
    line = []
    for row in sorted(rows, key=lambda row: (-row.priority, row.id)):
        queue, wants = lane_of[row.lane_id]
        if places[queue] < LOOKED_AT:
            places[queue] += 1
            key = (-row.priority, row.id)
            line.append(_Due(row.id, key, queue, places[queue], wants, row))
    return line


def _first_of(session: Session, lane_ids: Iterable[int]) -> Sequence[Row[Any]]:
    """The first due jobs of each of some lanes."""
    of_each = [
        select(Job.id, Job.priority, Job.lane_id, *_WORK)
        .where(Job.lane_id == lane_id, lanes.IS_QUEUED, Job.available_at <= now())
        .order_by(*lanes.IN_ORDER)
        .limit(LOOKED_AT)
        .subquery()
        for lane_id in lane_ids
    ]
    return session.execute(union_all(*(select(each) for each in of_each))).all()


def _typical_epoch_s(session: Session) -> dict[str, float]:
    """Seconds that an epoch of each dataset takes: the median of recent runs that went well.

    Runs of several attempts are left out: the times between them are in theirs.
    """
    # the epochs that were trained: a run that was stopped early planned more
    rows: Iterable[Row[Any]] = session.execute(
        select(Job.dataset, Job.epoch, Job.started_at, Job.finished_at)
        .where(Job.state == "succeeded", Job.attempt == 1, Job.epoch > 0)
        .order_by(Job.id.desc())
        .limit(RECENT)
    )
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        took_s = (row.finished_at - row.started_at).total_seconds()
        seconds[row.dataset].append(took_s / row.epoch)
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
    running: Iterable[Row[Any]] = session.execute(
        select(Job.worker_id, Job.desired, Job.devices, Job.eta_s, *_WORK).where(
            lanes.IS_RUNNING, Job.worker_id.in_([worker.id for worker in workers])
        )
    )
    for job in running:
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
    line: Sequence[_Due], slots: Sequence[_Slots], typical: Mapping[str, float]
) -> dict[int, float]:
    """In how many seconds each job starts, where each takes the slots that are free first.

    Of the slots that lie on the same GPU nothing is known here.
    """
    starts: dict[int, float] = {}
    fitting: dict[tuple[str, Requirements], list[_Slots]] = {}
    for job in line:
        wanted = job.wants
        kind = (job.queue, wanted)
        if kind not in fitting:
            fitting[kind] = [each for each in slots if each.free_in_s and each.fit(*kind)]
        starts[job.id] = math.inf
        if fitting[kind]:
            options = [(each.start_of(wanted), number) for number, each in enumerate(fitting[kind])]
            (start_s, worker_id), number = min(options)
            starts[job.id] = start_s
            fitting[kind][number].take(
                worker_id, wanted.devices, start_s + _work_s(job.work, typical)
            )
            if wanted.devices > 1:
                for each in fitting[kind]:
                    each.keep_for(wanted, start_s)
    return starts
