"""The lanes of the queues: where a job waits, and which job of a lane is next.

Whatever is asked of a queue is asked of its lanes, which are few; of each, an index gives the first
jobs. So nothing costs more because more jobs wait. What fits where is decided here for a whole
lane, by `Capacity.fits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, literal_column, select
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


@dataclass(frozen=True, slots=True)
class Head:
    """The job of a lane that would be claimed first."""

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
    key = _key(queue, needs) | {"owner": owner}
    wanted = select(Lane.id).filter_by(**key)
    found = session.scalar(wanted)
    if found is None:
        # whoever makes a lane has this lock first: two that wait for each other's lane never meet
        events.hold(session)
        new = insert_or(session, Lane).values(**key, notified_at=now())
        session.execute(new.on_conflict_do_nothing())
        found = session.scalars(wanted).one()
    return found


def heads(
    session: Session, queues: Sequence[str], capacity: Capacity, worker_id: int = 0
) -> list[Head]:
    """The first due job of each lane of some queues that fits in, the best one first.

    Owners who may have no more now are passed by.

    Args:
        session: where to look.
        queues: whose lanes.
        capacity: what a run can have.
        worker_id: the worker that asks: it gets none that it rests from. 0: nobody.
    """
    of = {"queues": list(queues), "asker": worker_id}
    rows = session.connection().execute(_HEADS, of).all()
    trial: frozenset[str] = frozenset()
    if rows and rows[0].rests:
        resting, trial = rests.divide(rows[0].rests, rows[0].moment)
        capacity = replace(capacity, rests=resting)
    ranks = _ranks(rows)
    found = (
        Head(
            *(row.id, row.priority, row.lane_id, needs, row.owner, ranks[row.owner], row.queue),
            row.kept_by if row.kept_job_id == row.id else None,
            trial & capacity.work(needs),
        )
        for row, needs in ((row, needs_of(row)) for row in rows)
        if row.owner in ranks and capacity.fits(needs)
    )
    return sorted(found, key=lambda head: head.key)


def standings(rows: Sequence[Row[Any]]) -> dict[str, Standing]:
    """How the owners of some lanes stand, from rows with their columns."""
    found: dict[str, Standing] = {}
    for row in rows:
        if row.owner not in found:
            found[row.owner] = sharing.standing(row.owner, row)
    return found


def _ranks(rows: Sequence[Row[Any]]) -> dict[str, float]:
    """By what each owner of some heads is compared who may begin another job."""
    return {
        owner: each.use.rank(rows[0].moment)
        for owner, each in standings(rows).items()
        if not each.hindrance(rows[0].moment)
    }


def _heads() -> Select[*tuple[Any, ...]]:
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
    own_rests = rests.of_worker(bindparam("asker")).label("rests")
    is_there = (Worker.id == lanes.c.kept_worker_id, is_live(), Worker.desired != "drain")
    kept_by = select(Worker.id).where(*is_there).scalar_subquery().label("kept_by")
    of_head = (Job.id, Job.priority, lanes, now().label("moment"), own_rests, kept_by)
    columns: tuple[Any, ...] = (*of_head, *sharing.COLUMNS)
    heads = select(*columns).join_from(lanes, Job, Job.id == lanes.c.first)
    return sharing.joined(heads, lanes.c.owner)


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


def _key(queue: str, needs: Requirements) -> dict[str, Any]:
    return {
        "queue": queue,
        "device": needs.device,
        "devices": needs.devices,
        "pinned_precision": needs.precision or "",
        "pinned_threads": needs.threads or 0,
        "dataset": needs.dataset,
    }
