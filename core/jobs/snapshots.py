"""Snapshots: where a run can resume from, and when their blobs may be deleted.

Each snapshot's bytes are a blob that no other row names (the trainer puts a random name into them),
so it can be deleted when its row is discarded. A row outlives its blob, never the other way round:
a crash in between leaves work for the next sweep, and nothing that dangles. The last row of a blob
is one in `unnamed_blobs`, so that one that cannot be deleted stands in nobody's way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Attempt, Snapshot
from core.jobs import unnamed
from core.storage.blobs import Blob, Storage

KEPT = 2
"""The newest, and the one before it: should the newest be damaged."""

SWEPT_AT_ONCE = 20

STATEMENTS_TO_ADD = 4
"""What `add` costs the database."""


@dataclass(frozen=True, slots=True)
class SnapshotRef:
    """A snapshot whose bytes are in the blob store."""

    epoch: int
    """Whole epochs done."""

    step: int
    """Batches done."""

    blob: Blob


def add(session: Session, job_id: int, attempt: int, snapshot: SnapshotRef) -> None:
    """Write a snapshot down, and discard those that are not needed beside it.

    Adding the same snapshot again, because the answer was lost, changes nothing.
    """
    session.execute(
        delete(Snapshot).where(
            Snapshot.job_id == job_id,
            Snapshot.attempt == attempt,
            Snapshot.step == snapshot.step,
        )
    )
    session.execute(
        insert(Snapshot).values(
            job_id=job_id,
            attempt=attempt,
            step=snapshot.step,
            epoch=snapshot.epoch,
            size=snapshot.blob.size,
            sha256=snapshot.blob.sha256,
            created_at=now(),
        )
    )
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.number == attempt)
        .values(secured_step=snapshot.step)
        .execution_options(synchronize_session=False)
    )
    kept = (
        select(Snapshot.step)
        .where(Snapshot.job_id == job_id, Snapshot.discarded_at.is_(None))
        .order_by(Snapshot.step.desc())
        .offset(KEPT - 1)
        .limit(1)
        .scalar_subquery()
    )
    _discard(session, Snapshot.job_id == job_id, Snapshot.step < kept)


def discard(session: Session, job_id: int, after_step: int = -1) -> None:
    """Discard the snapshots of a job, or those of them beyond a step."""
    _discard(session, Snapshot.job_id == job_id, Snapshot.step > after_step)


def newest_first(session: Session, job_id: int) -> Sequence[SnapshotRef]:
    """The snapshots that a job may resume from."""
    rows = session.scalars(
        select(Snapshot)
        .where(Snapshot.job_id == job_id, Snapshot.discarded_at.is_(None))
        .order_by(Snapshot.step.desc(), Snapshot.attempt.desc())
    )
    return [SnapshotRef(row.epoch, row.step, Blob(row.sha256, row.size)) for row in rows]


def sweep(database: Database, storage: Storage) -> int:
    """Delete the blobs of discarded snapshots, and all others that are due to be deleted.

    Some at a time; any number of processes may do so. What cannot be deleted is tried again later.

    Returns:
        How many were settled; 0: there is nothing left to do now.

    Raises:
        DatabaseUnavailable: the database is away; the rest waits for the next sweep.
    """
    return _release(database) + unnamed.delete_due(database, storage)


def _release(database: Database) -> int:
    """Hand the blobs of discarded snapshots over to `unnamed`, some at a time."""
    some = (
        select(Snapshot)
        .where(Snapshot.discarded_at.is_not(None))
        .order_by(Snapshot.discarded_at)
        .limit(SWEPT_AT_ONCE)
    )
    with database.reading() as session:
        if not session.scalars(some).first():
            return 0
    with database.writing() as session:
        rows = session.scalars(some.with_for_update(skip_locked=True)).all()
        for row in rows:
            unnamed.remember(session, row.sha256, row.size, unnamed.ANY)
            session.delete(row)
        return len(rows)


def _discard(session: Session, *which: object) -> None:
    session.execute(
        update(Snapshot)
        .where(*which, Snapshot.discarded_at.is_(None))  # type: ignore[arg-type]
        .values(discarded_at=now())
        .execution_options(synchronize_session=False)
    )
