"""The claim: which job a worker runs next. The database decides, one UPDATE a claim.

A look at the head of each lane says which job is next; an UPDATE takes it, unless another claim was
quicker. Neither reads what waits behind. On PostgreSQL that statement does all else that belongs to
a claim, where no limit has to be counted against. What the worker rests from is passed by; once a
rest is over, one run tries whether that work can be done again, and the others wait for how that
goes.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Row,
    Select,
    Update,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)
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
            lease, unkept = _claim(database, claimant, token, lease_seconds, held)
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
    database: Database, claimant: Claimant, token: str, lease_seconds: float, held: Capacity
) -> tuple[Lease | None, Head | None]:
    """What was taken; or a large job for which a worker must be kept first."""
    line: Sequence[Head] | None = None
    if database.is_postgresql:
        with database.reading() as session:
            line, unkept = _startable(_heads(session, claimant), claimant, held)
        if not line:
            return None, unkept
        if line[0].is_simple:
            of = {"token": token, "lease_seconds": lease_seconds, "by": claimant.actor.as_json()}
            if job := _take_at_once(database, claimant, line, of):
                return _lease(job, token, claimant), None
            line = None  # others were quicker: there is another look
    with database.writing() as session:
        return _claim_in_steps(session, claimant, token, lease_seconds, held, line)


def _claim_in_steps(
    session: Session,
    claimant: Claimant,
    token: str,
    lease_seconds: float,
    held: Capacity,
    line: Sequence[Head] | None,
) -> tuple[Lease | None, Head | None]:
    """The same where more has to be looked at: a limit, a rest; and on SQLite."""
    job, trial, unkept = _take_best(session, claimant, held, line)
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


def _lease_out(job_id: Any, attempt: Any) -> Update:
    return (
        update(JobProgress)
        .where(JobProgress.job_id == job_id)
        .values(
            attempt=attempt,
            revision=JobProgress.revision + 1,
            lease_token=bindparam("token"),
            lease_expires_at=now(bindparam("lease_seconds", type_=Float)),
            last_heartbeat_at=now(),
            eta_s=None,
            images_per_s=None,
        )
        .execution_options(synchronize_session=False)
    )


_LEASE_OUT = _lease_out(bindparam("of_job"), bindparam("of_attempt"))
_BEGIN_ATTEMPT = insert(Attempt).values(
    job_id=bindparam("of_job"),
    number=bindparam("of_attempt"),
    worker_id=bindparam("taker"),
    started_at=now(),
)


def _take_best(
    session: Session, claimant: Claimant, held: Capacity, line: Sequence[Head] | None
) -> tuple[Taken | None, frozenset[str], Head | None]:
    """The job that was taken, what of the worker's rests it is a trial of, or what is unkept.

    A line that was looked at a moment ago may be given; it is looked at again where that is over.
    """
    for _ in range(LOOKS):
        if line is None:
            line, unkept = _startable(_heads(session, claimant), claimant, held)
            if not line:
                return None, frozenset(), unkept
        job = _take_first(session, claimant, line)
        if job is not None:
            return job, line[0].trial, None  # of any job of the lane it is the same
        line = None
    return None, frozenset(), None


def _startable(
    line: Sequence[Head], claimant: Claimant, held: Capacity
) -> tuple[Sequence[Head], Head | None]:
    """A line as far as a claimant may begin with it; or the job for which none is kept yet."""
    while line and not held.fits(line[0].needs):
        if line[0].kept_by is None:
            return [], line[0]
        if line[0].kept_by == claimant.worker_id:
            return [], None
        line = line[1:]  # another worker is kept for it
    return line, None


def _take_first(session: Session, claimant: Claimant, line: Sequence[Head]) -> Taken | None:
    """The job that was taken; none where other claims were quicker."""
    for name, which in _ways_to_take(line):
        asked = which | {"taker": claimant.worker_id}
        job = session.connection().execute(_IN_STEPS[name], asked).first()
        if job is not None:
            return job
    return None


def _take_at_once(
    database: Database, claimant: Claimant, line: Sequence[Head], of: dict[str, Any]
) -> Taken | None:
    """The same with all that belongs to a claim."""
    for name, which in _ways_to_take(line):
        asked = which | {"taker": claimant.worker_id} | of
        with database.writing_at_once() as session:
            job = session.connection().execute(_AT_ONCE[name], asked).first()
        if job is not None:
            return job
    return None


def _ways_to_take(line: Sequence[Head]) -> Sequence[tuple[str, dict[str, int]]]:
    """The statements that take the first job of a line, by their names, each if none before did.

    A head that another claim has locked is waited for when nothing else was free before it: either
    it is taken after all, or the next look does not see it any more.
    """
    return _first_free(line), ("head", _head_of(line))


def _head_of(line: Sequence[Head]) -> dict[str, int]:
    return {"head_id": line[0].job_id, "lane": line[0].lane_id}


def _first_free(line: Sequence[Head]) -> tuple[str, dict[str, int]]:
    """The statement that takes the first job of the best lane that no other claim has locked.

    It takes none that comes after the head of another lane, as far as can be known: what others
    have just claimed counts for its owner once they have committed.
    """
    best = line[0]
    if len(line) == 1:
        return "any", {"lane": best.lane_id}
    other = line[1]
    if best.rank < other.rank:
        return "from", {"lane": best.lane_id, "bound": other.priority}
    if best.priority > other.priority:
        return "above", {"lane": best.lane_id, "bound": other.priority}
    bounds = {"bound": other.priority, "bound_id": other.job_id}
    return "before", {"lane": best.lane_id} | bounds


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


def _at_once(take: ReturningUpdate[Any]) -> Select[Any]:
    """The statement for PostgreSQL that takes a job with all that belongs to it."""
    taken = take.cte("taken")
    progress = _lease_out(taken.c.id, taken.c.attempt).cte("of_progress")
    columns = ["job_id", "number", "worker_id", "started_at"]
    attempt = select(taken.c.id, taken.c.attempt, bindparam("taker", type_=BigInteger), now())
    begun = insert(Attempt).from_select(columns, attempt).cte("of_attempt")
    payload: ColumnElement[Any] = literal_column("""'{"state": "running"}'::json""")
    first: ColumnElement[int] = literal_column("1")
    about = (taken.c.id.label("job_id"), taken.c.attempt)
    moved = select(*about, payload.label("payload"), first.label("place")).subquery()
    event = events.insert_of(moved, "claimed").cte("of_events")
    counted = sharing.begin_of(taken).cte("of_usage")
    # what is written first here is done last: whatever waits for the lock of the history
    return select(*taken.c).add_cte(counted, event, begun, progress)


# made once: a worker executes them again and again
_IN_STEPS: dict[str, ReturningUpdate[Any]] = {
    "any": _take(_is_first_free()),
    "above": _take(_is_first_free(Job.priority > bindparam("bound"))),
    "from": _take(_is_first_free(Job.priority >= bindparam("bound"))),
    "before": _take(
        _is_first_free(Job.priority == bindparam("bound"), Job.id < bindparam("bound_id"))
    ),
    # the lane too: a job that was waited for may have changed what it needs meanwhile
    "head": _take((Job.id == bindparam("head_id")) & (Job.lane_id == bindparam("lane"))),
}
_AT_ONCE = {name: _at_once(take) for name, take in _IN_STEPS.items()}


def _lease(job: Taken, token: str, claimant: Claimant) -> Lease:
    return Lease(job.id, job.attempt, token, claimant.actor, job.spec, requirements(job))
