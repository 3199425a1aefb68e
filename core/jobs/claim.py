"""The claim: which job a worker runs next. The database decides, one UPDATE a claim."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Attempt, Job
from core.errors import DatabaseUnavailable
from core.jobs import events
from core.jobs.actors import Actor, of_worker
from core.jobs.capacity import ONE, Capacity, Requirements, fits, requirements
from core.jobs.lease import Lease
from core.states import may_become


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

    Highest priority first, then the oldest. Two claimants never get the same job: PostgreSQL
    skips rows that another claim has locked, SQLite lets one writer in at a time.

    A job for several devices that the claimant could give it, but does not hold, keeps it from all
    jobs behind that one: otherwise small ones, which need but one free slot, would always be first.

    Args:
        database: where the jobs are.
        claimant: who asks.
        lease_seconds: how long the job is held without a renewal.
        held: what the claimant can give the job now; None: one slot.
    """
    token = secrets.token_hex(16)
    try:
        with database.writing() as session:
            return _claim(session, claimant, token, lease_seconds, held or one_slot_of(claimant))
    except DatabaseUnavailable:
        # the commit may have gone through before the answer was lost
        with database.reading() as session:
            job = session.scalar(select(Job).where(Job.lease_token == token))
            return _lease(job, token, claimant) if job else None


def one_slot_of(claimant: Claimant) -> Capacity:
    """What one slot of a claimant can give a run."""
    most = claimant.max_capacity
    return replace(most, slots=1, devices=1)


def next_requirements(database: Database, claimant: Claimant) -> Requirements | None:
    """What the best job needs that a claim could find, where enough is held; None without one."""
    columns = (Job.device, Job.devices, Job.pinned_precision, Job.pinned_threads)
    with database.reading() as session:
        best = session.execute(_runnable(claimant, *columns).limit(1)).one_or_none()
    return Requirements(*best) if best else None


def claimable(claimant: Claimant, job: type[Job] = Job) -> tuple[ColumnElement[bool], ...]:
    """What is true of a queued job that a claimant could run, whenever it is due."""
    return (
        job.state == "queued",
        job.queue.in_(claimant.queues),
        fits(claimant.max_capacity, job),
    )


def _runnable(claimant: Claimant, *columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .where(*claimable(claimant), Job.available_at <= now())
        .order_by(Job.priority.desc(), Job.id)
    )


def _is_behind_a_larger(claimant: Claimant, held: Capacity) -> ColumnElement[bool]:
    """Whether a job has to wait for one before it that needs more than what is held."""
    ahead = aliased(Job)
    larger = (
        select(ahead.id)
        .where(*claimable(claimant, ahead), ahead.available_at <= now(), ~fits(held, ahead))
        .correlate(Job)
    )
    # two, since each is a range of the index: of jobs before the first that fits there are few
    return or_(
        larger.where(ahead.priority > Job.priority).exists(),
        larger.where(ahead.priority == Job.priority, ahead.id < Job.id).exists(),
    )


def _claim(
    session: Session, claimant: Claimant, token: str, lease_seconds: float, held: Capacity
) -> Lease | None:
    # one that is too large is not locked: another claim would skip it, and take what is behind
    best = _runnable(claimant, Job.id).where(fits(held)).limit(1)
    conditions = [
        Job.id == best.with_for_update(skip_locked=True).scalar_subquery(),
        Job.state.in_(may_become("running")),
    ]
    if held != claimant.max_capacity:
        conditions.append(~_is_behind_a_larger(claimant, held))
    job = session.scalar(
        update(Job)
        .where(*conditions)
        .values(
            state="running",
            attempt=Job.attempt + 1,
            revision=Job.revision + 1,
            worker_id=claimant.worker_id,
            lease_token=token,
            lease_expires_at=now(lease_seconds),
            last_heartbeat_at=now(),
            started_at=func.coalesce(Job.started_at, now()),
            eta_s=None,
            images_per_s=None,
        )
        .returning(Job)
        .execution_options(synchronize_session=False)
    )
    if job is None:
        return None
    session.execute(
        insert(Attempt).values(
            job_id=job.id, number=job.attempt, worker_id=claimant.worker_id, started_at=now()
        )
    )
    events.append(session, job.id, claimant.actor, "claimed", job.attempt, {"state": "running"})
    return _lease(job, token, claimant)


def _lease(job: Job, token: str, claimant: Claimant) -> Lease:
    return Lease(job.id, job.attempt, token, claimant.actor, job.spec, requirements(job))
