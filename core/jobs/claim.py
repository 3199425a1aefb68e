"""The claim: which job a worker runs next. The database decides, one UPDATE a claim.

A look at the head of each lane says which job is next; an UPDATE takes it, unless another claim was
quicker. Neither reads what waits behind. What the worker rests from is passed by; once a rest is
over, one run tries whether that work can be done again, and the others wait for how that goes.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Float, Row, bindparam, func, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Attempt, Job, JobProgress
from core.errors import DatabaseUnavailable
from core.jobs import events, lanes, reservations, rests, sharing
from core.jobs.actors import Actor, of_worker
from core.jobs.capacity import NEEDED, ONE, Capacity, Requirements, requirements
from core.jobs.lanes import Head
from core.jobs.lease import Lease
from core.jobs.rests import TrialUnderWay
from core.jobs.sharing import LimitReached
from core.states import may_become

LEASED = (Job.id, Job.attempt, Job.spec, Job.owner, *NEEDED)
"""What a claim asks of a job that it has taken. A whole row is wide: to read it takes a
millisecond."""

Taken = Row[Any]
"""The columns of `LEASED`."""

LOOKS = 100
"""How often a claim looks again after others were quicker."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """A worker that asks for jobs, and what it can run."""

    worker_id: int
    queues: Sequence[str]
    max_capacity: Capacity = ONE
    """What it can give a run when it is idle."""
    name: str = ""

    @property
    def actor(self) -> Actor:
        """The worker, as the history names it."""
        return of_worker(self.worker_id, self.name)


def claim(
    database: Database, claimant: Claimant, lease_seconds: float, held: Capacity | None = None
) -> Lease | None:
    """Take the best runnable job, or None where there is none.

    Highest priority first, then whose owner has used least, then the oldest. Two claimants never
    get the same job: on PostgreSQL a row's lock decides, SQLite lets one writer in at a time.

    For a job for several devices that the claimant could give it, but does not hold, one worker is
    kept: it takes none of the jobs behind that one, otherwise small ones, which need but one free
    slot, would always be first. Any other worker takes what is behind.

    Args:
        database: where the jobs are.
        claimant: who asks.
        lease_seconds: how long the job is held without a renewal.
        held: what the claimant can give the job now; None: one slot.
    """
    token = secrets.token_hex(16)
    held = held or one_slot_of(claimant)
    try:
        for _ in range(LOOKS):
            with database.writing() as session:
                lease, unkept = _claim(session, claimant, token, lease_seconds, held)
            if unkept is None or _keep(database, claimant, unkept) == claimant.worker_id:
                return lease
        return None
    except (TrialUnderWay, LimitReached):
        return None
    except DatabaseUnavailable:
        # the commit may have gone through before the answer was lost
        with database.reading() as session:
            mine = select(*LEASED).join(Job.progress).where(JobProgress.lease_token == token)
            job = session.execute(mine.where(lanes.IS_RUNNING)).first()
            return _lease(job, token, claimant) if job else None


def one_slot_of(claimant: Claimant) -> Capacity:
    """What one slot of a claimant can give a run."""
    most = claimant.max_capacity
    return replace(most, slots=1, devices=1)


def next_requirements(database: Database, claimant: Claimant) -> Requirements | None:
    """What the best job needs that a claim could find, where enough is held; None without one."""
    with database.reading() as session:
        one_slot = one_slot_of(claimant)
        line = _heads(session, claimant)
        own = (head for head in line if one_slot.fits(head.needs) or _may_wait(head, claimant))
        return next((head.needs for head in own), None)


def _may_wait(head: Head, claimant: Claimant) -> bool:
    """Whether a worker is kept for a large job, as far as anybody has decided that."""
    return head.kept_by in (None, claimant.worker_id)


def _keep(database: Database, claimant: Claimant, head: Head) -> int | None:
    """Keep a worker for a large job that has none yet; which, or None where it has one by now."""
    with database.writing() as session:
        line = _heads(session, claimant)
        if any(each.job_id == head.job_id and each.kept_by is None for each in line):
            return reservations.keep(session, head, line, claimant.worker_id)
        return None


def _claim(
    session: Session, claimant: Claimant, token: str, lease_seconds: float, held: Capacity
) -> tuple[Lease | None, Head | None]:
    """What was taken; or a large job for which a worker must be kept first."""
    job, trial, unkept = _take_best(session, claimant, held)
    if job is None:
        return None, unkept
    if trial:
        rests.begin_trial(session, claimant.worker_id, trial)
    of = {"of_job": job.id, "of_attempt": job.attempt}
    session.connection().execute(_LEASE_OUT, of | {"token": token, "lease_seconds": lease_seconds})
    session.connection().execute(_BEGIN_ATTEMPT, of | {"taker": claimant.worker_id})
    events.append(session, job.id, claimant.actor, "claimed", job.attempt, {"state": "running"})
    sharing.begin(session, job.owner, job.devices)
    return replace(_lease(job, token, claimant), trial=trial), None


def _heads(session: Session, claimant: Claimant) -> list[Head]:
    return lanes.heads(
        session, claimant.queues, claimant.max_capacity, worker_id=claimant.worker_id
    )


_LEASE_OUT = (
    update(JobProgress)
    .where(JobProgress.job_id == bindparam("of_job"))
    .values(
        attempt=bindparam("of_attempt"),
        revision=JobProgress.revision + 1,
        lease_token=bindparam("token"),
        lease_expires_at=now(bindparam("lease_seconds", type_=Float)),
        last_heartbeat_at=now(),
        eta_s=None,
        images_per_s=None,
    )
    .execution_options(synchronize_session=False)
)
_BEGIN_ATTEMPT = insert(Attempt).values(
    job_id=bindparam("of_job"),
    number=bindparam("of_attempt"),
    worker_id=bindparam("taker"),
    started_at=now(),
)


def _take_best(
    session: Session, claimant: Claimant, held: Capacity
) -> tuple[Taken | None, frozenset[str], Head | None]:
    """The job that was taken, what of the worker's rests it is a trial of, or what is unkept."""
    for _ in range(LOOKS):
        line = _heads(session, claimant)
        while line and not held.fits(line[0].needs) and line[0].kept_by is not None:
            if line[0].kept_by == claimant.worker_id:
                return None, frozenset(), None
            line = line[1:]  # another worker is kept for it
        if not line:
            break
        if not held.fits(line[0].needs):
            return None, frozenset(), line[0]
        # a head that another claim has locked is waited for when nothing else was free before it:
        # either it is taken after all, or the next look does not see it any more
        for statement, which in (_first_free(line), (_TAKE_HEAD, _head_of(line))):
            job = (
                session.connection()
                .execute(statement, which | {"taker": claimant.worker_id})
                .first()
            )
            if job is not None:
                return job, line[0].trial, None  # of any job of the lane it is the same
    return None, frozenset(), None


def _head_of(line: Sequence[Head]) -> dict[str, int]:
    return {"head_id": line[0].job_id, "lane": line[0].lane_id}


def _first_free(line: Sequence[Head]) -> tuple[ReturningUpdate[Any], dict[str, int]]:
    """The statement that takes the first job of the best lane that no other claim has locked.

    It takes none that comes after the head of another lane, as far as can be known: what others
    have just claimed counts for its owner once they have committed.
    """
    best = line[0]
    if len(line) == 1:
        return _TAKE_ANY, {"lane": best.lane_id}
    other = line[1]
    if best.rank < other.rank:
        return _TAKE_FROM, {"lane": best.lane_id, "bound": other.priority}
    if best.priority > other.priority:
        return _TAKE_ABOVE, {"lane": best.lane_id, "bound": other.priority}
    bounds = {"bound": other.priority, "bound_id": other.job_id}
    return _TAKE_BEFORE, {"lane": best.lane_id} | bounds


def _take(which: ColumnElement[bool]) -> ReturningUpdate[Any]:
    return (
        update(Job)
        .where(which, Job.state.in_(may_become("running")), Job.available_at <= now())
        .values(
            state="running",
            attempt=Job.attempt + 1,
            own_revision=Job.own_revision + 1,
            worker_id=bindparam("taker"),
            started_at=func.coalesce(Job.started_at, now()),
        )
        .returning(*LEASED)
        .execution_options(synchronize_session=False)
    )


def _is_first_free(*bounds: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a job is the first of a lane that is not locked, within one range of its index."""
    return Job.id == (
        select(Job.id)
        .where(Job.lane_id == bindparam("lane"), lanes.IS_QUEUED, lanes.IS_DUE, *bounds)
        .order_by(*lanes.IN_ORDER)
        .limit(lanes.ONE_ROW)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )


# made once: a worker executes them again and again
_TAKE_ANY = _take(_is_first_free())
_TAKE_ABOVE = _take(_is_first_free(Job.priority > bindparam("bound")))
_TAKE_FROM = _take(_is_first_free(Job.priority >= bindparam("bound")))
_TAKE_BEFORE = _take(
    _is_first_free(Job.priority == bindparam("bound"), Job.id < bindparam("bound_id"))
)
# the lane too: a job that was waited for may have changed what it needs meanwhile
_TAKE_HEAD = _take((Job.id == bindparam("head_id")) & (Job.lane_id == bindparam("lane")))


def _lease(job: Taken, token: str, claimant: Claimant) -> Lease:
    return Lease(job.id, job.attempt, token, claimant.actor, job.spec, requirements(job))
