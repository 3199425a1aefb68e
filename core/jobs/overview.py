"""What waits in each queue and for what, and which GPUs are idle meanwhile.

Like the status of a job nothing here writes. What waits is asked of the lanes, which are few: of
each its length and its first job, for which the others of the lane wait too.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from core import workers
from core.database.models import Job, Lane, Worker
from core.jobs import lanes, sharing
from core.jobs.capacity import Requirements
from core.jobs.eta import Forecast, forecast
from core.jobs.sharing import Standing
from core.jobs.status import QueueStatus, explain

MOST = 50
"""Lanes that are explained: those with the longest lines."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The runs that wait in one queue and need the same, of all owners."""

    queue: str
    device: str
    devices: int
    dataset: str
    count: int
    first_id: int
    first: QueueStatus
    """Why the one that is first among them waits."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What waits, and what is idle."""

    waiting: Sequence[Waiting]
    """The longest line first."""
    gpus: int
    """Those of live workers that are not drained."""
    idle_gpus: int

    @property
    def count(self) -> int:
        """How many runs wait."""
        return sum(each.count for each in self.waiting)

    @property
    def passed_by(self) -> Sequence[Waiting]:
        """What waits although GPUs are idle; nothing, where none is."""
        if not self.idle_gpus:
            return ()
        return [each for each in self.waiting if each.first.reason.code != "queue.starting"]


def overview(session: Session) -> Overview:
    """Look at all queues."""
    gpus, idle = _gpus(session)
    return Overview(_waiting(session), gpus, idle)


def next_ids(session: Session, most: int) -> list[int]:
    """The queued jobs that start next, as far as is known: those without a time by their places.

    After them come the first ones of lines in which none has a place, because all wait for a
    moment. Some may have been claimed meanwhile.
    """
    line = forecast(session, [])
    # a copy: a page that is answered at the same time may add a job that came since
    first = heapq.nsmallest(most, list(line.places), key=lambda each: _turn(line, each))
    if len(first) < most:
        first += [each.first_id for each in _waiting(session) if each.first_id not in line.places]
    return first[:most]


def _turn(line: Forecast, job_id: int) -> tuple[float, int, int]:
    return line.starts[job_id], line.places[job_id], job_id


def _waiting(session: Session) -> list[Waiting]:
    """Of each line of queued jobs its length, and why its first waits."""
    lines = sorted(_lines(session), key=lambda line: (-line.length, line.queue, line.first_id))
    lines = lines[:MOST]
    reasons = explain(session, _jobs(session, [line.first_id for line in lines]))
    return [
        Waiting(
            queue=line.queue,
            device=line.needs.device,
            devices=line.needs.devices,
            dataset=line.needs.dataset,
            count=line.length,
            first_id=line.first_id,
            first=reasons[line.first_id],
        )
        for line in lines
        if line.first_id in reasons  # it may have been claimed meanwhile
    ]


@dataclass(slots=True)
class _Line:
    """The lanes of all owners in one queue that need the same."""

    queue: str
    needs: Requirements
    length: int
    first: tuple[bool, int, float, int]
    """The place in the order of the claims of the job that is first: `_place`."""

    @property
    def first_id(self) -> int:
        """The job that is first."""
        return self.first[-1]


def _lines(session: Session) -> list[_Line]:
    """What is queued, lane by lane: how many, and the first. Of the jobs the heads alone are read.

    Lanes that differ by their owners alone are one line.
    """
    queued = (Job.lane_id == Lane.id, lanes.IS_QUEUED)
    first = select(Job.id).where(*queued).order_by(*lanes.IN_ORDER).limit(lanes.ONE_ROW)
    count = select(func.count()).select_from(Job).where(*queued)
    of_lanes = select(
        *(Lane.queue, Lane.owner, *lanes.NEEDS),
        first.correlate(Lane).scalar_subquery().label("first"),
        count.correlate(Lane).scalar_subquery().label("length"),
    ).subquery()
    heads = select(of_lanes, Job.priority).join_from(of_lanes, Job, Job.id == of_lanes.c.first)
    rows = session.execute(heads).all()
    standings, moment = sharing.standings(session)
    found: dict[tuple[str, Requirements], _Line] = {}
    for row in rows:
        needs, place = lanes.needs_of(row), _place(row, standings[row.owner], moment)
        line = found.setdefault((row.queue, needs), _Line(row.queue, needs, 0, place))
        line.length += row.length
        line.first = min(line.first, place)
    return list(found.values())


def _place(row: Row[Any], owner: Standing, moment: datetime) -> tuple[bool, int, float, int]:
    """Where the first job of a lane stands: behind those of owners who may begin one now."""
    is_held_up = owner.hindrance(moment) is not None
    return is_held_up, -row.priority, owner.use.rank(moment), row.first


def _jobs(session: Session, ids: Sequence[int]) -> Sequence[Job]:
    return session.scalars(select(Job).where(Job.id.in_(ids))).unique().all()


def _gpus(session: Session) -> tuple[int, int]:
    """How many GPUs there are for runs, and how many of them run none."""
    serving = [worker for worker in workers.live(session) if worker.desired != "drain"]
    return sum(map(_count, serving)), sum(map(_idle, serving))


def _count(worker: Worker) -> int:
    return sum(_is_gpu(each) for each in worker.devices)


def _idle(worker: Worker) -> int:
    """The GPUs of a worker that run nothing, as far as it has told which device runs what."""
    gauges = worker.gauges.get("devices", ())
    return sum(
        _is_gpu(device) and not reading.get("runs")
        for device, reading in zip(worker.devices, gauges, strict=False)
    )


def _is_gpu(device: Any) -> bool:
    return isinstance(device, dict) and device.get("kind") == "cuda"
