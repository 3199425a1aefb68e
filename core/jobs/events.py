"""The history of the jobs: one row for everything that happens to one, never changed.

An event is written in the transaction of the move that it tells of. Its id is a position in the
history of all jobs: whoever follows asks for what lies after the last one that they have seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select, true
from sqlalchemy.orm import Session

from core.database.clock import now, oldest_running_transaction, this_transaction
from core.database.models import JobEvent
from core.jobs.actors import Actor
from core.messages import Message, as_json
from core.states import EventKind


def append(
    session: Session,
    job_id: int,
    actor: Actor,
    kind: EventKind,
    attempt: int,
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Write down that something happened to a job. Messages in the payload are stored as codes."""
    session.execute(
        insert(JobEvent).values(
            job_id=job_id,
            at=now(),
            actor=actor.as_json(),
            kind=kind,
            attempt=attempt,
            payload={
                name: as_json(value) if isinstance(value, Message) else value
                for name, value in (payload or {}).items()
            },
            transaction_id=this_transaction(),
        )
    )


def append_once(
    session: Session,
    job_id: int,
    actor: Actor,
    kind: EventKind,
    attempt: int,
    payload: Mapping[str, Any],
) -> None:
    """`append`, unless the history has it: the answer to an earlier try may have been lost."""
    payloads = session.scalars(
        select(JobEvent.payload).where(
            JobEvent.job_id == job_id, JobEvent.attempt == attempt, JobEvent.kind == kind
        )
    )
    if dict(payload) not in payloads.all():
        append(session, job_id, actor, kind, attempt, payload)


def after(session: Session, event_id: int, limit: int) -> Sequence[JobEvent]:
    """The events of all jobs that follow one, oldest first.

    Those come only once no event before them can still appear: PostgreSQL hands out ids before
    transactions are committed.
    """
    return session.scalars(
        select(JobEvent)
        .where(JobEvent.id > event_id, _is_settled(session))
        .order_by(JobEvent.id)
        .limit(limit)
    ).all()


def newest_id(session: Session) -> int:
    """The position at the end of the history; 0 where nothing has happened yet."""
    newest: int | None = session.scalar(select(func.max(JobEvent.id)).where(_is_settled(session)))
    return newest or 0


def _is_settled(session: Session) -> ColumnElement[bool]:
    if session.get_bind().dialect.name != "postgresql":
        return true()  # SQLite has one writer at a time
    settled: ColumnElement[bool] = JobEvent.transaction_id < oldest_running_transaction()
    return settled
