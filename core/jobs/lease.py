"""The lease on a running job, and the guard that every write of a run must pass.

A claim gives the job a new attempt number and a random token. A write names both; if the job
has gone to another attempt since, the write finds no row and the whole transaction is undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.models import Job
from core.errors import LeaseLost
from core.jobs.actors import Actor
from core.jobs.capacity import Requirements
from core.messages import message
from core.states import Desired


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


def guarded_update(session: Session, lease: Lease, values: dict[str, Any]) -> Desired:
    """Change the job's row if, and only if, `lease` still holds it.

    Returns:
        What a person wants of the job now.

    Raises:
        LeaseLost: another attempt, or an end, came between. Nothing of the transaction stays.
    """
    desired: Desired | None = session.scalar(
        update(Job)
        .where(
            Job.id == lease.job_id,
            Job.attempt == lease.attempt,
            Job.lease_token == lease.token,
            Job.state == "running",
        )
        .values(revision=Job.revision + 1, last_heartbeat_at=now(), **values)
        .returning(Job.desired)
        .execution_options(synchronize_session=False)
    )
    if desired is None:
        raise LeaseLost(message("lease.lost", job_id=lease.job_id, attempt=lease.attempt))
    return desired
