"""The lanes of the queues: where a job waits, and which job of a lane is next.

Whatever is asked of a queue is asked of its lanes, which are few; of each, an index gives the first
jobs. So nothing costs more because more jobs wait. What fits where is decided here for a whole
lane, by `Capacity.fits`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, literal_column, select
from sqlalchemy import cast as cast_to
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.dialects import insert_or
from core.database.hints import in_passing
from core.database.models import Job, Lane, Worker
from core.jobs import events, rests, sharing
from core.jobs.capacity import Capacity, Precision, Requirements
from core.jobs.sharing import Standing
from core.workers import is_drained, is_live

ONE_ROW: ColumnElement[int] = literal_column("1")

# literals, because an index of one state serves those queries alone that name the state themselves
IS_QUEUED: ColumnElement[bool] = Job.state == literal_column("'queued'")
IS_RUNNING: ColumnElement[bool] = Job.state == literal_column("'running'")
IS_DUE: ColumnElement[bool] = in_passing(Job.available_at) <= now()
"""All but a few that are queued are due: what waits is never looked for by this."""

IN_ORDER = (Job.priority.desc(), Job.id)
"""The order in which the jobs of a lane are claimed: it has one owner."""

NEEDS = (Lane.device, Lane.devices, Lane.pinned_precision, Lane.pinned_threads, Lane.dataset)
KEPT = (Lane.kept_worker_id, Lane.kept_job_id)
KEY = ("queue", *(column.key for column in NEEDS), "owner")

_FIND = select(Lane.id).where(*(getattr(Lane, name) == bindparam(name) for name in KEY))
"""Made once: each submit asks it."""


class Head(NamedTuple):
    """The job of a lane that would be claimed first; a tuple, as a claim may make hundreds."""

    job_id: int
    priority: int
    lane_id: int
    needs: Requirements
    owner: str
    rank: float
    """What its owner has used: `core.jobs.sharing.Use.rank`."""
    queue: str = ""
    kept_by: int | None = None
    """The worker that takes nothing else before this job; None: none does."""
    trial: frozenset[str] = frozenset()
    """Kinds of work of this job that the worker rested from, and is to try again."""
    has_no_limit: bool = False
    """Whether its owner has used something, and may use as much as there is."""

    @property
    def is_simple(self) -> bool:
        """Whether nothing has to be looked at for it to begin, or written down besides."""
        return self.has_no_limit and not self.trial

    @property
    def key(self) -> tuple[int, float, int]:
        """Heads that sort first are claimed first: by priority, by the use of owners, by age."""
        return -self.priority, self.rank, self.job_id


FIRST_DUE_AT = (
    select(Job.available_at)
    .where(Job.lane_id == Lane.id, IS_QUEUED)
    .order_by(Job.available_at)
    .limit(ONE_ROW)
    .correlate(Lane)
    .scalar_subquery()
    .label("first_due_at")
)
"""When the first job of a lane is due, or was; NULL where it is empty."""


def find(session: Session, queue: str, needs: Requirements, owner: str) -> int:
    """The id of the lane for such jobs, which is made where there is none."""
    key = key_of(queue, needs, owner)
    found: int | None = session.connection().execute(_FIND, key).scalar()
    if found is None:
        # whoever makes a lane has this lock first: two that wait for each other's lane never meet
        events.hold(session)
        new = insert_or(session, Lane).values(**key, notified_at=now())
        session.execute(new.on_conflict_do_nothing())
        found = session.connection().execute(_FIND, key).scalar_one()
    return found


def heads(
    session: Session, queues: Sequence[str], capacity: Capacity | None, worker_id: int = 0
) -> list[Head]:
    """The first due job of each lane of some queues that fits in, the best one first.

    Owners who may have no more now are passed by.

    Args:
        session: where to look.
        queues: whose lanes.
        capacity: what a run can have; None: whatever it needs.
        worker_id: the worker that asks: it gets none that it rests from. 0: nobody.
    """
    of = {"queues": list(queues), "asker": worker_id}
    rows = session.connection().execute(_HEADS, of).all()
    if not rows:
        return []
    standings, moment = sharing.standings(session)
    trial: frozenset[str] = frozenset()
    if capacity and (stored := rows[0].rests) and (own_rests := json.loads(stored)):
        resting, trial = rests.divide(own_rests, moment)
        capacity = replace(capacity, rests=resting)
    ranks = _ranks(standings, moment)
    fitting = Fitting(capacity)
    found = (
        Head(
            *(row.id, row.priority, row.lane_id, needs, row.owner, ranks[row.owner], row.queue),
            row.kept_by if row.kept_job_id == row.id else None,
            trial & capacity.work(needs) if trial and capacity else trial,
            standings[row.owner].has_no_limit,
        )
        for row in rows
        if row.owner in ranks and (needs := fitting.needs_of(row))
    )
    return sorted(found, key=lambda head: head.key)


class Fitting:
    """What the jobs of lanes need, where it fits: asked once for all owners who need the same."""

    def __init__(self, capacity: Capacity | None) -> None:
        self._capacity = capacity
        self._known: dict[tuple[Any, ...], Requirements | None] = {}

    def needs_of(self, lane: Any) -> Requirements | None:
        """What the jobs of a lane need, as `needs_of`; None where that does not fit."""
        key = (
            *(lane.device, lane.devices, lane.pinned_precision),
            *(lane.pinned_threads, lane.dataset),
        )
        if key not in self._known:
            needs = needs_of(lane)
            fits = self._capacity is None or self._capacity.fits(needs)
            self._known[key] = needs if fits else None
        return self._known[key]


def _ranks(standings: Mapping[str, Standing], moment: datetime) -> dict[str, float]:
    """By what each owner is compared who may begin another job."""
    return {
        owner: each.use.rank(moment)
        for owner, each in standings.items()
        if not each.hindrance(moment)
    }


def _heads() -> Select[Any]:
    first = (
        select(Job.id)
        .where(Job.lane_id == Lane.id, IS_QUEUED, IS_DUE)
        .order_by(*IN_ORDER)
        .limit(ONE_ROW)
        .correlate(Lane)
        .scalar_subquery()
    )
    of_lane: tuple[Any, ...] = (Lane.id.label("lane_id"), Lane.owner, Lane.queue, *NEEDS, *KEPT)
    lanes = select(*of_lane, first.label("first")).where(OF_QUEUES).subquery()
    # as text: it is the same in each row, and read of one
    own_rests = cast_to(rests.of_worker(bindparam("asker")), Text).label("rests")
    is_there = (Worker.id == lanes.c.kept_worker_id, is_live(), Worker.desired != "drain")
    kept_by = select(Worker.id).where(*is_there).scalar_subquery().label("kept_by")
    of_head = (Job.id, Job.priority, lanes, own_rests, kept_by)
    return select(*of_head).join_from(lanes, Job, Job.id == lanes.c.first)


OF_QUEUES: ColumnElement[bool] = and_(
    Lane.queue.in_(bindparam("queues", expanding=True)), ~is_drained(bindparam("asker"))
)
"""Whether a lane is of the queues that an asker serves; none is where it is drained."""

_HEADS = _heads()
"""Made once: a worker asks it again and again."""


def needs_of(lane: Any) -> Requirements:
    """What the jobs of a lane need; of a row with the columns of `NEEDS`."""
    precision = cast("Precision | None", lane.pinned_precision or None)
    threads = lane.pinned_threads or None
    return Requirements(lane.device, lane.devices, precision, threads, lane.dataset)


def key_of(queue: str, needs: Requirements, owner: str) -> dict[str, Any]:
    """What tells a lane from all others, as the columns of `KEY`."""
    return {
        "queue": queue,
        "device": needs.device,
        "devices": needs.devices,
        "pinned_precision": needs.precision or "",
        "pinned_threads": needs.threads or 0,
        "dataset": needs.dataset,
        "owner": owner,
    }
