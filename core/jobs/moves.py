"""How a job's row is changed: under its lock, and into a state that the table of moves allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import LARGEST_KEY, Attempt, Job, JobProgress
from core.errors import Conflict, NotFound
from core.jobs.actors import Actor
from core.messages import Message, message
from core.states import Desired, Outcome, State, may_become

UNLEASED: dict[str, Any] = {
    "lease_token": None, "lease_expires_at": None, "eta_s": None, "yields_to": None
}  # fmt: skip
"""The progress of a job that runs no longer, as columns."""

NOTHING_DONE: dict[str, Any] = {
    "epoch": 0, "batch": 0, "train_loss": None, "images_per_s": None, "eta_s": None
}  # fmt: skip
"""The progress of a job that is to start from scratch, as columns."""

UNPINNED: dict[str, Any] = {"pinned_precision": None, "pinned_threads": None}


def _locked(job_id: int) -> Select[Job]:
    # rows that refer to it can still be written: a flush waits for nobody
    return select(Job).where(Job.id == job_id).with_for_update(of=Job, key_share=True)


@contextmanager
def locked(
    database: Database, job_id: int, *, deleted: bool = False
) -> Iterator[tuple[Session, Job]]:
    """A job whose row no one else can change; at the end it is read again.

    Args:
        database: where it is.
        job_id: which one.
        deleted: whether it may be one that was deleted.

    Raises:
        NotFound: there is no such job.
        Conflict: it was deleted.
    """
    unknown = message("run.unknown", job_id=job_id)
    if job_id > LARGEST_KEY:
        raise NotFound(unknown)
    with database.writing() as session:
        job = session.scalar(_locked(job_id))
        if job is None:
            raise NotFound(unknown)
        if job.deleted_at is not None and not deleted:
            raise Conflict(message("run.deleted", job_id=job_id))
        yield session, job
        session.refresh(job)


def change(
    session: Session,
    job: Job,
    values: dict[str, Any],
    of_progress: dict[str, Any] | None = None,
) -> None:
    """Change the rows of a job that is locked; a new state must be one that it may move to."""
    conditions = [Job.id == job.id]
    if target := values.get("state"):
        conditions.append(Job.state.in_(may_become(target)))
    session.execute(
        update(Job)
        .where(*conditions)
        .values(values | {"own_revision": Job.own_revision + 1})
        .execution_options(synchronize_session=False)
    )
    if of_progress:
        session.execute(
            update(JobProgress)
            .where(JobProgress.job_id == job.id)
            .values(of_progress | {"revision": JobProgress.revision + 1})
            .execution_options(synchronize_session=False)
        )


def asked(desired: Desired, actor: Actor) -> dict[str, Any]:
    """What an actor wants of a job, as columns."""
    return {"desired": desired, "desired_at": now(), "desired_by": actor.name}


def ended(state: State) -> dict[str, Any]:
    """A final state, as columns."""
    return {"state": state, "finished_at": now()}


def close_attempt(
    session: Session, job_id: int, number: int, outcome: Outcome, reason: Message | None
) -> None:
    """Write down how an attempt ended, and why."""
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.number == number)
        .values(finished_at=now(), outcome=outcome, reason=reason)
        .execution_options(synchronize_session=False)
    )
