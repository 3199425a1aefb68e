"""What waits in each queue and for what, and which GPUs are idle meanwhile.

Like the status of a job nothing here writes. What waits is asked of the lanes, which are few: of
each its length and its first job, for which the others of the lane wait too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from core import workers
from core.database.models import Job, Lane, Worker
from core.jobs import lanes
from core.jobs.status import QueueStatus, explain

MOST = 50
"""Lanes that are explained: those with the longest lines."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The runs that wait in one queue and need the same."""

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


def _waiting(session: Session) -> list[Waiting]:
    """Of each lane with queued jobs their number, and why the first waits."""
    rows = sorted(_lines(session), key=lambda row: (-row.length, row.queue, row.first))[:MOST]
    reasons = explain(session, _jobs(session, [row.first for row in rows]))
    return [
        Waiting(
            queue=row.queue,
            device=row.device,
            devices=row.devices,
            dataset=row.dataset,
            count=row.length,
            first_id=row.first,
            first=reasons[row.first],
        )
        for row in rows
        if row.first in reasons  # it may have been claimed meanwhile
    ]


def _lines(session: Session) -> list[Row[Any]]:
    """The lanes in which jobs are queued: how many, and the first. An index is read, and no row."""
    queued = (Job.lane_id == Lane.id, lanes.IS_QUEUED)
    first = select(Job.id).where(*queued).order_by(*lanes.IN_ORDER).limit(lanes.ONE_ROW)
    count = select(func.count()).select_from(Job).where(*queued)
    rows = session.execute(
        select(
            *(Lane.queue, Lane.device, Lane.devices, Lane.dataset),
            first.correlate(Lane).scalar_subquery().label("first"),
            count.correlate(Lane).scalar_subquery().label("length"),
        )
    )
    return [row for row in rows if row.first is not None]


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
