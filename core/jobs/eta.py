"""When each waiting job starts, about: the claim played forward over the slots of the live workers.

Nothing here writes, and nothing here knows words.
"""

from __future__ import annotations

import math
import statistics
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from time import monotonic
from typing import Any, NamedTuple, Self

from sqlalchemy import Row, select, union_all
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.hints import in_passing
from core.database.models import Job, JobProgress, Lane, Worker, training_began
from core.jobs import lanes, rests, sharing, turns
from core.jobs.capacity import Capacity, Requirements, requirements
from core.jobs.sharing import Standing
from core.jobs.slots import Slots
from core.messages import Message

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

MOST_READ = 8000
FEWEST_OF_LANE = 20
"""Where owners have hundreds of lanes, so much is read of them together, or of each."""

_WORK = (Job.dataset, Job.epochs, Job.batches, Job.secured_step)
_SHARED = "forecast"


@dataclass(frozen=True, slots=True)
class Yielding:
    """A run that is being paused for another."""

    job_id: int
    is_private: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """The line of the due jobs of each queue, and when each of them starts."""

    workers: Sequence[Worker]
    """The live workers, but for those that are drained."""
    drained: Sequence[Worker]
    """The live workers that somebody has drained."""
    capacities: Mapping[int, Capacity]
    """What one run can have of each now when it is idle, by its id."""
    places: dict[int, int]
    """Place of each job in its queue, from 1."""
    lengths: dict[str, int]
    """Due jobs of each queue that have a place, at most `LOOKED_AT`."""
    ends: dict[tuple[str, str], tuple[int, int]]
    """Priority and number of the last job of each queue and owner that has a place."""
    starts: dict[int, float]
    """Seconds until each job starts; infinite where there is nothing to go by."""
    long: set[str]
    """The queues of which not all due jobs have a place."""
    free: Mapping[int, int]
    """Free slots of each worker, by its id."""
    held_up: Mapping[str, Message]
    """Why owners who are at a limit may begin nothing now: what they have waiting has no place."""
    kept: Mapping[int, int]
    """The workers that take nothing else before some large jobs, by those."""
    passed: Collection[int]
    """The jobs before which later ones of other owners go, who have used less."""
    yielding: Mapping[int, Yielding]
    """The runs that are being paused for jobs of a higher priority, by those."""
    tail: _Tail
    """What jobs that come after all of these are given their places by."""

    def add(self, job: Job) -> bool:
        """Give a due job that was not there yet its place, where that is the last of its queue.

        Returns:
            Whether that is so. Where others wait in the queue too, it depends on what they have
            used; where no live worker that is known can run it, one may have come meanwhile.
        """
        queue, owner = job.queue, sharing.owner_of(job)
        places = {who: end for (where, who), end in self.ends.items() if where == queue}
        is_alone = all(end == _BEFORE_ALL for who, end in places.items() if who != owner)
        is_last = (-job.priority, job.id) > places.get(owner, _BEFORE_ALL)
        is_known = owner in self.tail.owners and queue not in self.long
        if not (is_alone and is_last and is_known and self.tail.can_run(job)):
            return False
        self.starts[job.id] = self.tail.start_of(job)
        self.lengths[queue] = self.places[job.id] = self.lengths.get(queue, 0) + 1
        self.ends[queue, owner] = (-job.priority, job.id)
        if self.lengths[queue] >= LOOKED_AT:
            self.long.add(queue)
        return True

    def is_far(self, job: Job) -> bool:
        """Whether a due job has more before it than is looked at."""
        end = self.ends.get((job.queue, sharing.owner_of(job)))
        return job.queue in self.long and end is not None and (-job.priority, job.id) > end

    def has(self, job: Job) -> bool:
        """Whether this says something of a due job."""
        is_held_up = sharing.owner_of(job) in self.held_up
        return is_held_up or job.id in self.places or self.is_far(job)


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
            # a submit asks of a job that is newer than any forecast
            if (
                newest is None
                or is_over
                or not all(newest.has(job) or newest.add(job) for job in due)
            ):
                newest = self._newest = play(session)
                self._over_at = monotonic() + MAX_AGE_S
            return newest


def play(session: Session) -> Forecast:
    """Play the claim forward for the due jobs of all queues."""
    live = rests.live_capacities(session)
    workers = [each for each in live if each[0].desired != "drain"]
    waiting = _Waiting.read(session)
    lane_of = waiting.lane_of
    typical = _typical_epoch_s(session)
    running = _running(session, workers)
    slots = _slots(workers, running, typical)
    line, long = _shortened(waiting, waiting.in_order(waiting.rows, slots, running, typical))
    places: dict[int, int] = {}
    lengths: Counter[str] = Counter()
    ends: dict[tuple[str, str], tuple[int, int]]
    ends = {(each.queue, each.owner): _BEFORE_ALL for each in lane_of.values()}
    for job in line:
        lane = lane_of[job.lane_id]
        lengths[lane.queue] += 1
        places[job.id] = lengths[lane.queue]
        ends[lane.queue, lane.owner] = (job.place, job.id)
    return Forecast(
        [worker for worker, _ in workers],
        [worker for worker, _ in live if worker.desired == "drain"],
        {worker.id: capacity for worker, capacity in workers},
        places,
        lengths,
        ends,
        free=_free(slots),
        starts=_starts(line, lane_of, slots, typical),
        long=long,
        held_up=waiting.held_up,
        kept=waiting.kept,
        passed=turns.passed(line, waiting.place_of),
        tail=_Tail(slots, typical, waiting.standings.keys()),
        yielding={
            job.yields_to: Yielding(job.id, job.is_private) for job in running if job.yields_to
        },
    )


_BEFORE_ALL = (-sys.maxsize, 0)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would come of a run that is submitted now."""

    position: int
    """Its place among the due jobs of its queue, from 1."""
    start_s: float
    """Seconds until it starts, about; infinite where there is nothing to go by."""
    fits: bool
    """Whether a live worker that serves the queue could run it."""
    at_once: int
    """How many such runs the live workers that serve the queue could run at the same time."""


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
    session: Session, wanted: Requirements, *, owner: str, epochs: int, priority: int, queue: str
) -> dict[str, Prospect]:
    """What would come of an owner's run in its queue, and in the others that live workers serve."""
    live = rests.live_capacities(session)
    workers = [each for each in live if each[0].desired != "drain"]
    waiting = _Waiting.read(session)
    waiting.know(session, owner)
    typical = _typical_epoch_s(session)
    running = _running(session, workers)
    candidate = Candidate(-priority, _NEWEST, _NO_LANE, wanted.dataset, epochs)
    served = sorted({each for worker, _ in workers for each in worker.queues} - {queue})
    found: dict[str, Prospect] = {}
    for each in [queue, *served][:MOST_QUEUES]:
        waiting.lane_of[_NO_LANE] = _Lane(each, owner, wanted)
        slots = _slots(workers, running, typical)
        rows = sorted([*waiting.rows, candidate], key=_PLACE_AND_ID)
        line = waiting.in_order(rows, slots, running, typical)
        line = line[: line.index(candidate)]
        starts = _starts([*line, candidate], waiting.lane_of, slots, typical)
        ahead = sum(waiting.lane_of[row.lane_id].queue == each for row in line)
        at_once = sum(some.room(each, wanted) for some in slots)
        found[each] = Prospect(ahead + 1, starts[candidate.id], at_once > 0, at_once)
    return found


_NO_LANE = 0
"""No lane has this id."""
_NEWEST = sys.maxsize
"""The number of what comes after all that there is."""


@dataclass(frozen=True, slots=True)
class _Lane:
    queue: str
    owner: str
    wants: Requirements


@dataclass(slots=True)
class _Waiting:
    """The first due jobs of all lanes, and how their owners stand."""

    lane_of: dict[int, _Lane]
    rows: list[Row[Any]]
    """Of each owner in the order of the claims."""
    each: int
    """How many were read of a lane at most."""
    kept: dict[int, int]
    """The workers that are kept for large jobs, by those."""
    standings: dict[str, Standing]
    moment: datetime

    @classmethod
    def read(cls, session: Session) -> Self:
        """Read by the index of the claim as many of each lane as of a queue; of many lanes, fewer.

        What is beyond them has no place.
        """
        of_lane = (Lane.id, Lane.queue, Lane.owner, *lanes.NEEDS, *lanes.KEPT)
        found = session.execute(select(*of_lane).where(now() >= lanes.FIRST_DUE_AT)).all()
        lane_of = {row.id: _Lane(row.queue, row.owner, lanes.needs_of(row)) for row in found}
        each = min(LOOKED_AT, max(FEWEST_OF_LANE, MOST_READ // max(1, len(found))))
        rows: list[Row[Any]] = []
        ids = list(lane_of)
        for start in range(0, len(ids), LANES_AT_ONCE):
            rows += _first_of(session, ids[start : start + LANES_AT_ONCE], each)
        rows.sort(key=_PLACE_AND_ID)
        kept = {row.kept_job_id: row.kept_worker_id for row in found if row.kept_job_id}
        return cls(lane_of, rows, each, kept, *sharing.standings(session))

    def know(self, session: Session, owner: str) -> None:
        """Know of an owner of whom nothing may wait."""
        self.standings[owner], self.moment = sharing.standing_of(session, owner)

    @property
    def held_up(self) -> dict[str, Message]:
        """Why owners may begin nothing now, where that is so."""
        every = self.standings.items()
        return {owner: why for owner, each in every if (why := each.hindrance(self.moment))}

    @property
    def place_of(self) -> dict[int, turns.Place]:
        """Where the jobs of each lane wait."""
        return {
            lane_id: turns.Place(lane.queue, lane.owner, lane.wants.devices)
            for lane_id, lane in self.lane_of.items()
        }

    def in_order(
        self,
        rows: Iterable[Any],
        slots: Sequence[Slots],
        running: Iterable[Row[Any]],
        typical: Mapping[str, float],
    ) -> list[Any]:
        """Jobs in the order of the claims to come, but for those of owners who are held up."""
        to_come: defaultdict[str, float] = defaultdict(float)
        for job in running:
            left_s = _left_s(job, typical)
            if math.isfinite(left_s):
                to_come[job.owner] += job.devices * left_s
        ranks = {owner: each.use.rank(self.moment) for owner, each in self.standings.items()}
        known = turns.Prospects(ranks, to_come, sum(_free(slots).values()))
        held_up = self.held_up
        startable = (
            row
            for row in rows
            if row.lane_id == _NO_LANE or self.lane_of[row.lane_id].owner not in held_up
        )
        return turns.merged(startable, self.place_of, known, lambda job: _work_s(job, typical))


def _shortened(waiting: _Waiting, line: Sequence[Row[Any]]) -> tuple[list[Row[Any]], set[str]]:
    """A line as far as it is known: of each queue the first; and the queues that have more.

    Where a lane had more than were read of it, what comes after those may come before others.
    """
    read = Counter(row.lane_id for row in line)
    cut = {lane_id for lane_id, count in read.items() if count == waiting.each}
    counts: Counter[str] = Counter()
    kept: list[Row[Any]] = []
    long: set[str] = set()
    for row in line:
        queue = waiting.lane_of[row.lane_id].queue
        if queue in long:
            continue
        counts[queue] += 1
        kept.append(row)
        read[row.lane_id] -= 1
        is_at_cut = row.lane_id in cut and not read[row.lane_id]
        if counts[queue] >= LOOKED_AT or is_at_cut:
            long.add(queue)
    return kept, long


_PLACE_AND_ID = itemgetter(0, 1)


def _first_of(session: Session, lane_ids: Iterable[int], count: int) -> Sequence[Row[Any]]:
    """The first due jobs of each of some lanes."""
    of_each = [
        select((-Job.priority).label("place"), Job.id, Job.lane_id, *_WORK)
        .where(Job.lane_id == lane_id, lanes.IS_QUEUED, lanes.IS_DUE)
        .order_by(*lanes.IN_ORDER)
        .limit(count)
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


def _work_s(job: Row[Any] | Candidate | Job, typical: Mapping[str, float]) -> float:
    """Seconds that a job has before it; infinite where there is nothing to go by."""
    if job.dataset not in typical:
        return math.inf
    done = float(job.secured_step / job.batches) if job.batches else 0.0
    return typical[job.dataset] * max(0.0, float(job.epochs) - done)


@dataclass(frozen=True, slots=True)
class _Tail:
    """The slots as they are once all jobs of a forecast have begun."""

    slots: Sequence[Slots]
    typical: Mapping[str, float]
    owners: Collection[str]
    """Those of whom it is known how they stand."""

    def can_run(self, job: Job) -> bool:
        """Whether some slot will be free for a job."""
        wanted = requirements(job)
        fitting = (each.free_in_s and each.fit(job.queue, wanted) for each in self.slots)
        return job.devices == 1 and any(fitting)

    def start_of(self, job: Job) -> float:
        """In how many seconds a job begins, which has its slot from then on."""
        lane = _Lane(job.queue, sharing.owner_of(job), requirements(job))
        return _starts([job], {job.lane_id: lane}, self.slots, self.typical)[job.id]


def _running(session: Session, workers: Sequence[tuple[Worker, Capacity]]) -> list[Any]:
    """What runs on some workers, and how far it is."""
    of_job = (Job.id, Job.worker_id, Job.owner, Job.is_private, Job.desired, Job.devices)
    columns = (*of_job, JobProgress.yields_to, JobProgress.eta_s, *_WORK)
    ids = [worker.id for worker, _ in workers]
    runs = select(*columns).join(Job.progress)
    return list(session.execute(runs.where(lanes.IS_RUNNING, in_passing(Job.worker_id).in_(ids))))


def _left_s(job: Row[Any], typical: Mapping[str, float]) -> float:
    """Seconds until a job that runs has ended."""
    if job.desired != "run" or job.yields_to is not None:  # it is being stopped
        return SOON_S
    return max(SOON_S, job.eta_s if job.eta_s is not None else _work_s(job, typical))


def _slots(
    workers: Sequence[tuple[Worker, Capacity]],
    running: Iterable[Row[Any]],
    typical: Mapping[str, float],
) -> Sequence[Slots]:
    """The slots of all live workers, and when each is free."""
    busy: defaultdict[int, list[float]] = defaultdict(list)
    for job in running:
        busy[job.worker_id] += [_left_s(job, typical)] * job.devices
    alike: dict[tuple[frozenset[str], bool, frozenset[str]], Slots] = {}
    for worker, capacity in workers:
        kind = (frozenset(worker.queues), capacity.has_gpus, capacity.rests)
        times = busy[worker.id]
        free = [0.0] * (worker.slots - len(times))
        alike.setdefault(kind, Slots(kind[0])).add(worker, capacity, [*times, *free])
    return list(alike.values())


def _free(slots: Iterable[Slots]) -> Counter[int]:
    """How many slots of each worker are free."""
    return Counter(worker for each in slots for time, worker in each.free_in_s if not time)


def _starts(
    line: Sequence[Row[Any] | Candidate | Job],
    lane_of: Mapping[int, _Lane],
    slots: Sequence[Slots],
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
                options[number].keep(worker_id, start_s)
    return starts
