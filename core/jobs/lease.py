"""The lease on a running job, and the guard that every write of a run must pass.

A claim gives the job a new attempt number and a random token. A write names both; if the job
has gone to another attempt since, the write finds no row and the whole transaction is undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.models import Job, JobProgress
from core.errors import LeaseLost
from core.jobs.actors import Actor
from core.jobs.capacity import Requirements
from core.messages import message
from core.states import Wanted


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one attempt of one job."""

    job_id: int
    attempt: int
    token: str
    actor: Actor
    """The worker that holds it."""
    spec: dict[str, Any]
    needs: Requirements
    """The devices that the run takes, and what it is bound to."""
    trial: frozenset[str] = frozenset()
    """Kinds of work that the worker rested from, and tries again with this run."""


def guarded_update(
    session: Session, lease: Lease, own: dict[str, Any], of_progress: dict[str, Any]
) -> Wanted:
    """Change the rows of a job if, and only if, `lease` still holds it.

    The job's own row is changed first, where it is changed at all: so is it by everybody else who
    changes both, and nobody waits for one while holding the other.

    Args:
        session: a transaction; it holds the guard until its end.
        lease: who writes.
        own: columns of `jobs`.
        of_progress: columns of `progress`.

    Returns:
        What is wanted of the job now; what a person wants counts before another run.

    Raises:
        LeaseLost: another attempt, or an end, came between. Nothing of the transaction stays.
    """
    if own:
        _update_own(session, lease, own)
    of_person = select(Job.desired).where(Job.id == JobProgress.job_id).scalar_subquery()
    found = session.execute(
        update(JobProgress)
        .where(
            JobProgress.job_id == lease.job_id,
            JobProgress.attempt == lease.attempt,
            JobProgress.lease_token == lease.token,
        )
        .values({"last_heartbeat_at": now(), "revision": JobProgress.revision + 1} | of_progress)
        .returning(of_person.label("desired"), JobProgress.yields_to)
        .execution_options(synchronize_session=False)
    ).first()
    if found is None:
        raise _lost(lease)
    wanted: Wanted = found.desired
    return "yield" if wanted == "run" and found.yields_to is not None else wanted


def _update_own(session: Session, lease: Lease, values: dict[str, Any]) -> None:
    found = session.scalar(
        update(Job)
        .where(Job.id == lease.job_id, Job.attempt == lease.attempt, Job.state == "running")
        .values(values | {"own_revision": Job.own_revision + 1})
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    if found is None:
        raise _lost(lease)


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(message("lease.lost", job_id=lease.job_id, attempt=lease.attempt))
