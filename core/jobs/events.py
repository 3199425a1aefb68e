"""The history of the jobs: one row for everything that happens to one, never changed.

An event is written in the transaction of the move that it tells of. Its id is a position in the
history of all jobs: whoever follows asks for what lies after the last one that they have seen. So
ids must appear in their order. PostgreSQL hands them out before transactions commit, so a
transaction holds a lock from its first event to its commit; SQLite has one writer at a time anyway.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    FromClause,
    Insert,
    Integer,
    String,
    Text,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal_column,
    select,
    true,
)
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.dialects import is_postgresql
from core.database.models import JobEvent
from core.jobs.actors import Actor
from core.messages import Message, as_json
from core.notifications import outbox
from core.states import EventKind

LOCK = 728
"""The advisory lock of the history; migrations hold 727."""


def hold(session: Session) -> None:
    """Hold the lock of the history until the end of the transaction."""
    if is_postgresql(session):
        session.connection().execute(select(_LOCK))


def append(
    session: Session,
    job_id: int,
    actor: Actor,
    kind: EventKind,
    attempt: int,
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Write down that something happened to a job. Messages in the payload are stored as codes."""
    stored = {
        name: as_json(value) if isinstance(value, Message) else value
        for name, value in (payload or {}).items()
    }
    session.connection().execute(
        _APPEND_LOCKED if is_postgresql(session) else _APPEND,
        {
            "of_job": job_id,
            "by": actor.as_json(),
            "of_kind": kind,
            "of_attempt": attempt,
            "stored": stored,
        },
    )
    outbox.note_end(session, job_id, kind)


def append_of_many(
    session: Session, actor: Actor, kind: EventKind, payloads: Mapping[int, Mapping[str, Any]]
) -> None:
    """Write down that the same happened to several jobs that nobody has claimed yet.

    Args:
        session: the transaction in which it happened.
        actor: who did it.
        kind: what happened: no end, of which somebody wants to be told.
        payloads: by the jobs' numbers, in the order of the history. They hold no messages.
    """
    if len(payloads) == 1:  # in one statement with the lock
        [(job_id, payload)] = payloads.items()
        append(session, job_id, actor, kind, 0, payload)
        return
    by = actor.as_json()
    if is_postgresql(session):
        rows = [
            {"place": place, "job_id": job_id, "attempt": 0, "payload": dict(payload)}
            for place, (job_id, payload) in enumerate(payloads.items())
        ]
        session.connection().execute(
            _APPEND_MANY, {"by": by, "of_kind": kind, "rows": json.dumps(rows)}
        )
        return
    rows = [
        {"of_job": job_id, "by": by, "of_kind": kind, "of_attempt": 0, "stored": dict(payload)}
        for job_id, payload in payloads.items()
    ]
    session.connection().execute(_APPEND, rows)


_VALUES: dict[str, ColumnElement[Any]] = {
    "job_id": bindparam("of_job", type_=Integer),
    "at": now(),
    "actor": bindparam("by", type_=JSON),
    "kind": bindparam("of_kind", type_=String),
    "attempt": bindparam("of_attempt", type_=Integer),
    "payload": bindparam("stored", type_=JSON),
}
_LOCK = func.pg_advisory_xact_lock(LOCK)


HELD = select(_LOCK.label("lock"), now().label("at")).cte("held")
"""The lock of the history within one statement, and the moment from which on it is held."""


def insert_of(moved: FromClause, kind: EventKind | None = None) -> Insert:
    """A statement for PostgreSQL that tells of jobs: it may be a part of the one that moves them.

    Args:
        moved: their rows: `job_id`, `attempt`, `payload`, and `place`, their order in the history.
        kind: what happened; None: a parameter of the statement, as who did it is: `by`.
    """
    of_kind = _VALUES["kind"] if kind is None else literal_column(repr(kind))
    about = (moved.c.attempt, moved.c.payload)
    source = select(moved.c.job_id, now(), _VALUES["actor"], of_kind, *about)
    # each row gets its number behind the join, and so under the lock
    ordered = source.select_from(HELD.join(moved, true())).order_by(moved.c.place)
    return insert(JobEvent).from_select(list(_VALUES), ordered)


# made once: each move of a job is told
_APPEND = insert(JobEvent).values(_VALUES)
# by the same statement: the row gets its id once the lock is there, since that is volatile
_APPEND_LOCKED = insert(JobEvent).from_select(
    list(_VALUES), select(*_VALUES.values()).select_from(select(_LOCK).subquery())
)


def _append_many() -> Insert:
    sent = (
        func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
        .table_valued(
            column("place", Integer),
            column("job_id", BigInteger),
            column("attempt", Integer),
            column("payload", JSON),
        )
        .render_derived(with_types=True)
    )
    return insert_of(sent)


_APPEND_MANY = _append_many()


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
    """The events of all jobs that follow one, oldest first."""
    return session.scalars(
        select(JobEvent).where(JobEvent.id > event_id).order_by(JobEvent.id).limit(limit)
    ).all()


def newest_id(session: Session) -> int:
    """The position at the end of the history; 0 where nothing has happened yet."""
    newest: int | None = session.scalar(select(func.max(JobEvent.id)))
    return newest or 0
