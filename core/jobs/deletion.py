"""Runs that are deleted: hidden at once, restored on demand, and later removed for good.

A deleted run keeps everything until it is purged. It neither waits nor runs (a constraint holds
that), so whatever claims, reaps and forecasts does not know of it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import (
    Artifact,
    DerivedFile,
    InitialWeights,
    Job,
    JobEvent,
    LogLine,
    MetricBuckets,
    MetricSegment,
    ResourceSample,
    Snapshot,
)
from core.errors import Conflict
from core.jobs import events, lanes, sharing, unnamed
from core.jobs.actors import Actor, refuse_unless_allowed
from core.jobs.capacity import requirements
from core.jobs.moves import asked, change, locked
from core.messages import message

PURGED_AT_ONCE = 20
ROWS_AT_ONCE = 5000
"""Of one run, deleted in one transaction: others write between two of them."""

_MANY: tuple[tuple[Any, tuple[Any, ...]], ...] = (
    (LogLine, (LogLine.attempt, LogLine.number)),
    (MetricSegment, (MetricSegment.first_step,)),
    (MetricBuckets, (MetricBuckets.size, MetricBuckets.start)),
    (ResourceSample, (ResourceSample.attempt, ResourceSample.number)),
)
"""What a run may have very many rows of, and their keys within it."""


def delete(database: Database, job_id: int, actor: Actor, undo_s: float) -> Job:
    """Delete a job, which can be restored for `undo_s` seconds. Asking again changes nothing.

    One that is queued is taken off the queue, and a restore puts it back.

    Raises:
        NotFound: there is no such job.
        Forbidden: the actor may not.
        Conflict: it is running.
    """
    with locked(database, job_id, deleted=True) as (session, job):
        refuse_unless_allowed(actor, "delete", job)
        if job.state == "running":
            raise Conflict(message("run.is_running", job_id=job.id))
        if job.deleted_at is None:
            values: dict[str, Any] = {"deleted_at": now(), "purge_at": now(undo_s)}
            payload = {}
            if job.state == "queued":
                payload = {"state": "paused"}
                values |= payload | asked("pause", actor)
            change(session, job, values)
            events.append(session, job.id, actor, "deleted", job.attempt, payload)
    return job


def restore(database: Database, job_id: int, actor: Actor) -> Job:
    """Undo a delete. The caller notifies the queue's workers afterwards.

    A job that was not deleted stays as it is.

    Raises:
        NotFound: there is no such job.
        Forbidden: the actor may not.
        Conflict: it was deleted too long ago.
    """
    with locked(database, job_id, deleted=True) as (session, job):
        refuse_unless_allowed(actor, "restore", job)
        if job.purge_at is not None:
            if job.purge_at <= session.scalars(select(now())).one():
                raise Conflict(message("run.gone_for_good", job_id=job.id))
            values: dict[str, Any] = {"deleted_at": None, "purge_at": None}
            payload = {}
            if _was_queued(session, job):
                payload = {"state": "queued"}
                lane = lanes.find(session, job.queue, requirements(job), sharing.owner_of(job))
                values |= payload | asked("run", actor) | {"available_at": now(), "lane_id": lane}
            change(session, job, values)
            events.append(session, job.id, actor, "restored", job.attempt, payload)
    return job


def _was_queued(session: Session, job: Job) -> bool:
    """Whether a deleted job was queued, by the newest event that tells of its delete."""
    payload = session.scalar(
        select(JobEvent.payload)
        .where(JobEvent.job_id == job.id, JobEvent.kind == "deleted")
        .order_by(JobEvent.id.desc())
        .limit(1)
    )
    return bool(payload and payload.get("state"))


def purge(database: Database) -> int:
    """Remove jobs that can no longer be restored: all their rows, the history too.

    Their blobs are left to `unnamed.delete_due`. Bounded: some jobs at a time. What was cut off is
    finished by the next call.

    Returns:
        How many were removed.
    """
    due = (
        select(Job.id)
        .where(Job.deleted_at.is_not(None), Job.purge_at <= now())
        .order_by(Job.purge_at, Job.id)
        .limit(PURGED_AT_ONCE)
    )
    with database.reading() as session:
        ids = session.scalars(due).all()
    return sum(_purge(database, job_id) for job_id in ids)


def _purge(database: Database, job_id: int) -> bool:
    for table, key in _MANY:
        while _remove_some(database, job_id, table, key):
            pass
    with database.writing() as session:
        job = session.scalar(
            select(Job)
            .where(Job.id == job_id, Job.deleted_at.is_not(None), Job.purge_at <= now())
            .with_for_update(of=Job, skip_locked=True)
        )
        if job is None:
            return False
        forget_files(session, job_id, Snapshot, Artifact, DerivedFile, InitialWeights)
        session.execute(delete_rows(Job).where(Job.id == job_id))
        return True


def _remove_some(database: Database, job_id: int, table: Any, key: tuple[Any, ...]) -> bool:
    """Remove some rows of a job that is to be purged; whether there may be more."""
    some = select(*key).where(table.job_id == job_id).order_by(*key).limit(ROWS_AT_ONCE)
    with database.writing() as session:
        found = session.execute(some).all()
        if found:
            session.execute(
                delete_rows(table)
                .where(table.job_id == job_id, tuple_(*key) <= tuple_(*found[-1]))
                .execution_options(synchronize_session=False)
            )
    return len(found) == ROWS_AT_ONCE


def forget_files(session: Session, job_id: int, *tables: Any) -> None:
    """Remove the rows of a job's snapshots or other files, and remember their blobs.

    The bytes of a snapshot are its own, so nobody can put them again; those of the others may be
    another run's too.
    """
    for table in tables:
        has_blob = table.sha256.is_not(None)  # a derived file that was not computed has none
        rows = session.execute(
            select(table.sha256, table.size).where(table.job_id == job_id, has_blob)
        )
        version = unnamed.ANY if table is Snapshot else unnamed.UNKNOWN
        for sha256, size in rows.all():
            unnamed.remember(session, sha256, size, version)
        session.execute(
            delete_rows(table)
            .where(table.job_id == job_id)
            .execution_options(synchronize_session=False)
        )
