"""When each waiting job starts, about: the claim played forward over the slots of the live workers.

Nothing here writes, and nothing here knows words.
"""

from __future__ import annotations

import heapq
import math
import statistics
import threading
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from time import monotonic
from typing import Any, NamedTuple

from sqlalchemy import Row, select, union_all
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.hints import in_passing
from core.database.models import Job, JobProgress, Lane, Worker, training_began
from core.jobs import lanes, rests
from core.jobs.capacity import Capacity, Requirements

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
    """The live workers, but for those that are drained."""
    drained: Sequence[Worker]
    """The live workers that somebody has drained."""
    capacities: Mapping[int, Capacity]
    """What one run can have of each now when it is idle, by its id."""
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
    live = rests.live_capacities(session)
    workers = [each for each in live if each[0].desired != "drain"]
    lane_of = _lanes_with_jobs(session)
    line = _line(session, lane_of)
    typical = _typical_epoch_s(session)
    slots = _slots(session, workers, typical)
    places: dict[int, int] = {}
    lengths: Counter[str] = Counter()
    ends: dict[str, tuple[int, int]] = {}
    for job in line:
        queue = lane_of[job.lane_id].queue
        lengths[queue] += 1
        places[job.id] = lengths[queue]
        ends[queue] = (job.place, job.id)
    return Forecast(
        [worker for worker, _ in workers],
        [worker for worker, _ in live if worker.desired == "drain"],
        {worker.id: capacity for worker, capacity in workers},
        places,
        lengths,
        ends,
        free=Counter(owner for each in slots for time, owner in each.free_in_s if not time),
        starts=_starts(line, lane_of, slots, typical),
    )


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would come of a run that is submitted now."""

    position: int
    """Its place among the due jobs of its queue, from 1."""
    start_s: float
    """Seconds until it starts, about; infinite where there is nothing to go by."""
    fits: bool
    """Whether a live worker that serves the queue could run it."""


class Candidate(NamedTuple):
    """A run that is not submitted, as a row of the line."""

    place: int
    id: int
    lane_id: int
    dataset: str
    epochs: int
    batches: int = 0
    secured_step: int = 0


MOST_QUEUES = 8


def prospects(
    session: Session, wanted: Requirements, *, epochs: int, priority: int, queue: str
) -> dict[str, Prospect]:
    """What would come of a run in its queue, and in the others that live workers serve."""
    live = rests.live_capacities(session)
    workers = [each for each in live if each[0].desired != "drain"]
    lane_of = dict(_lanes_with_jobs(session))
    line = _line(session, lane_of)
    typical = _typical_epoch_s(session)
    before = line[: bisect_right(line, -priority, key=itemgetter(0))]
    candidate = Candidate(-priority, 0, _NO_LANE, wanted.dataset, epochs)
    served = sorted({each for worker, _ in workers for each in worker.queues} - {queue})
    found: dict[str, Prospect] = {}
    for each in [queue, *served][:MOST_QUEUES]:
        lane_of[_NO_LANE] = _Lane(each, wanted)
        slots = _slots(session, workers, typical)
        starts = _starts([*before, candidate], lane_of, slots, typical)
        ahead = sum(lane_of[row.lane_id].queue == each for row in before)
        fits = any(some.fit(each, wanted) for some in slots)
        found[each] = Prospect(ahead + 1, starts[candidate.id], fits)
    return found


_NO_LANE = 0
"""No lane has this id."""


@dataclass(frozen=True, slots=True)
class _Lane:
    queue: str
    wants: Requirements


def _lanes_with_jobs(session: Session) -> dict[int, _Lane]:
    """The lanes in which a job is due, by their ids."""
    rows = session.execute(
        select(Lane.id, Lane.queue, *lanes.NEEDS).where(now() >= lanes.FIRST_DUE_AT)
    )
    return {row.id: _Lane(row.queue, lanes.needs_of(row)) for row in rows}


def _line(session: Session, lane_of: Mapping[int, _Lane]) -> Sequence[Row[Any]]:
    """The first due jobs of each queue in the order in which they are claimed.

    Of each lane as many are read as of a queue, by its index.
    """
    ids = list(lane_of)
    rows: list[Row[Any]] = []
    for start in range(0, len(ids), LANES_AT_ONCE):
        rows += _first_of(session, ids[start : start + LANES_AT_ONCE])
    rows.sort(key=_PLACE_AND_ID)
    counts: Counter[str] = Counter()
    line = []
    for row in rows:
        queue = lane_of[row.lane_id].queue
        if counts[queue] < LOOKED_AT:
            counts[queue] += 1
            line.append(row)
    return line


_PLACE_AND_ID = itemgetter(0, 1)


def _first_of(session: Session, lane_ids: Iterable[int]) -> Sequence[Row[Any]]:
    """The first due jobs of each of some lanes."""
    of_each = [
        select((-Job.priority).label("place"), Job.id, Job.lane_id, *_WORK)
        .where(Job.lane_id == lane_id, lanes.IS_QUEUED, lanes.IS_DUE)
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
        select(Job.dataset, JobProgress.epoch, training_began().label("began_at"), Job.finished_at)
        .join(Job.progress)
        .where(
            Job.state == "succeeded",
            in_passing(Job.deleted_at).is_(None),
            Job.attempt == 1,
            JobProgress.epoch > 0,
        )
        .order_by(Job.id.desc())
        .limit(RECENT)
    )
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        took_s = (row.finished_at - row.began_at).total_seconds()
        seconds[row.dataset].append(took_s / row.epoch)
    return {dataset: statistics.median(each[:TYPICAL_OF]) for dataset, each in seconds.items()}


def _work_s(job: Row[Any] | Candidate, typical: Mapping[str, float]) -> float:
    """Seconds that a job has before it; infinite where there is nothing to go by."""
    if job.dataset not in typical:
        return math.inf
    done = float(job.secured_step / job.batches) if job.batches else 0.0
    return typical[job.dataset] * max(0.0, float(job.epochs) - done)


class _Slots:
    """Slots of workers that may run the same jobs."""

    def __init__(self, queues: frozenset[str]) -> None:
        self.queues = queues
        self.free_in_s: list[tuple[float, int]] = []
        """A heap: in how many seconds each slot is free, and the id of its worker."""
        self._capacities: dict[int, Capacity] = {}
        self._known_givers: dict[Requirements, set[int]] = {}

    def add(self, worker: Worker, capacity: Capacity, free_in_s: Iterable[float]) -> None:
        """Add the slots of a worker, each with when it is free."""
        self._capacities[worker.id] = capacity
        for time in free_in_s:
            heapq.heappush(self.free_in_s, (time, worker.id))

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
        if wanted not in self._known_givers:
            self._known_givers[wanted] = {
                worker_id for worker_id, has in self._capacities.items() if has.fits(wanted)
            }
        return self._known_givers[wanted]


def _slots(
    session: Session, workers: Sequence[tuple[Worker, Capacity]], typical: Mapping[str, float]
) -> Sequence[_Slots]:
    """The slots of all live workers, and when each is free."""
    busy: defaultdict[int, list[float]] = defaultdict(list)
    running: Iterable[Row[Any]] = session.execute(
        select(Job.worker_id, Job.desired, Job.devices, JobProgress.eta_s, *_WORK)
        .join(Job.progress)
        .where(
            lanes.IS_RUNNING,
            in_passing(Job.worker_id).in_([worker.id for worker, _ in workers]),
        )
    )
    for job in running:
        left = job.eta_s if job.eta_s is not None else _work_s(job, typical)
        being_stopped = job.desired != "run"
        time = SOON_S if being_stopped else max(SOON_S, left)
        busy[job.worker_id] += [time] * job.devices
    alike: dict[tuple[frozenset[str], bool, frozenset[str]], _Slots] = {}
    for worker, capacity in workers:
        kind = (frozenset(worker.queues), capacity.has_gpus, capacity.rests)
        times = busy[worker.id]
        free = [0.0] * (worker.slots - len(times))
        alike.setdefault(kind, _Slots(kind[0])).add(worker, capacity, [*times, *free])
    return list(alike.values())


def _starts(
    line: Sequence[Row[Any] | Candidate],
    lane_of: Mapping[int, _Lane],
    slots: Sequence[_Slots],
    typical: Mapping[str, float],
) -> dict[int, float]:
    """In how many seconds each job starts, where each takes the slots that are free first.

    Of the slots that lie on the same GPU nothing is known here.
    """
    starts: dict[int, float] = {}
    fitting = {
        lane_id: [each for each in slots if each.free_in_s and each.fit(lane.queue, lane.wants)]
        for lane_id, lane in lane_of.items()
    }
    for job in line:
        wanted, options = lane_of[job.lane_id].wants, fitting[job.lane_id]
        starts[job.id] = math.inf
        if options:
            (start_s, worker_id), number = min(
                (each.start_of(wanted), number) for number, each in enumerate(options)
            )
            starts[job.id] = start_s
            options[number].take(worker_id, wanted.devices, start_s + _work_s(job, typical))
            if wanted.devices > 1:
                for each in options:
                    each.keep_for(wanted, start_s)
    return starts
