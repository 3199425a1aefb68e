"""What a worker looks for between jobs: due work, leases that are over, lanes to notify for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, bindparam, select, update

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Job, JobProgress, Lane
from core.jobs import lanes, policies, rests, sharing
from core.jobs.claim import Claimant

NOTIFY_AGAIN_S = 10.0
"""Workers are notified again of a lane in which a job is due, for so long."""


@dataclass(frozen=True, slots=True)
class PollResult:
    """What there is to do, as a worker sees it."""

    due_in_s: float | None
    """Seconds until a claim would find a job: 0 or less for now, None where none waits."""

    are_leases_over: bool
    """Whether a running job's lease has run out: for `endings.reap`."""

    unnotified_lanes: Collection[int]
    """Those in which a job is due and of which nobody was notified lately: for `mark_notified`."""

    may_preempt: bool = False
    """Whether a job is due in a queue that allows preemption: for `preemption.preempt`."""


def poll(database: Database, claimant: Claimant) -> PollResult:
    """Look once for everything that a worker may have to do.

    One statement looks at leases and lanes, another at what owners may have.
    """
    with database.reading() as session:
        of = {"queues": list(claimant.queues), "asker": claimant.worker_id}
        rows = session.connection().execute(_POLL, of).all()
        standings, _ = sharing.standings(session)
    moment = rows[0].moment
    resting, _ = rests.divide(rows[0].rests or (), moment)
    capacity = replace(claimant.max_capacity, rests=resting) if resting else claimant.max_capacity
    lately = moment - timedelta(seconds=NOTIFY_AGAIN_S)
    held_up = {owner for owner, each in standings.items() if each.hindrance(moment)}
    fitting = lanes.Fitting(capacity)
    own = [
        row
        for row in rows
        if row.first_due_at and row.owner not in held_up and fitting.needs_of(row)
    ]
    due_at = min((row.first_due_at for row in own), default=None)
    return PollResult(
        due_in_s=(due_at - moment).total_seconds() if due_at else None,
        are_leases_over=bool(rows[0].is_over),
        unnotified_lanes=[
            row.id for row in own if row.first_due_at <= moment and row.notified_at < lately
        ],
        may_preempt=bool(rows[0].some_preempts) and due_at is not None and due_at <= moment,
    )


LEASES = select(
    now().label("moment"),
    select(Job.id)
    .join(Job.progress)
    .where(lanes.IS_RUNNING, JobProgress.lease_expires_at < now())
    .exists()
    .label("is_over"),
)
"""The moment by the database's clock, and whether a running job's lease has run out."""


def _poll() -> Select[Any]:
    own_rests = rests.of_worker(bindparam("asker")).label("rests")
    some_preempts = policies.some_preempts("queues").label("some_preempts")
    always = LEASES.add_columns(own_rests, some_preempts).subquery()
    columns = (Lane.id, Lane.notified_at, Lane.owner, *lanes.NEEDS, lanes.FIRST_DUE_AT)
    return select(always, *columns).outerjoin_from(always, Lane, lanes.OF_QUEUES)


_POLL = _poll()
"""Made once: a worker asks it again and again."""


def mark_notified(database: Database, lane_ids: Collection[int]) -> set[str]:
    """Count lanes as notified now, and return their queues.

    Those for which another worker was quicker are left out.
    """
    quicker = Lane.notified_at >= now(-NOTIFY_AGAIN_S)
    own = (
        select(Lane.id)
        .where(Lane.id.in_(lane_ids), ~quicker)
        .order_by(Lane.id)
        .with_for_update(skip_locked=True)
    )
    with database.writing() as session:
        queues = session.scalars(
            update(Lane)
            .where(Lane.id.in_(own))
            .values(notified_at=now())
            .returning(Lane.queue)
            .execution_options(synchronize_session=False)
        ).all()
        return set(queues)
