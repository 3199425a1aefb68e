"""What people call a job, find it by, and write about it: it may be changed at any time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from core.database.engine import Database
from core.database.models import Job, JobTag
from core.errors import Conflict
from core.jobs import events
from core.jobs.actors import Actor, refuse_unless_allowed
from core.jobs.moves import change, locked
from core.messages import message

MOST_TAGS = 20
"""Of a job."""
_PUBLIC = {"is_private": "private"}
"""What a column is called elsewhere."""


def edit(
    database: Database,
    job_id: int,
    actor: Actor,
    *,
    name: str | None = None,
    tags: Sequence[str] | None = None,
    notes: str | None = None,
    private: bool | None = None,
) -> Job:
    """Change a job's name, tags, notes or who sees it; what is None, or is the same already, stays.

    Raises:
        NotFound: there is no such job.
        Forbidden: the actor may not.
        Conflict: it was deleted.
    """
    asked: dict[str, Any] = {
        "name": name,
        "tags": None if tags is None else list(dict.fromkeys(tags)),
        "notes": notes,
        "is_private": private,
    }
    with locked(database, job_id) as (session, job):
        refuse_unless_allowed(actor, "edit", job)
        changed = {
            field: value
            for field, value in asked.items()
            if value is not None and value != getattr(job, field)
        }
        if changed:
            _change(session, job, actor, changed)
    return job


def retag(
    database: Database, job_id: int, actor: Actor, *, add: Sequence[str], remove: Sequence[str]
) -> Job:
    """Give a job some tags, and take others away; the rest stays.

    Raises:
        NotFound: there is no such job.
        Forbidden: the actor may not.
        Conflict: it was deleted, or would have too many.
    """
    with locked(database, job_id) as (session, job):
        refuse_unless_allowed(actor, "edit", job)
        kept = [tag for tag in job.tags if tag not in remove]
        tags = list(dict.fromkeys([*kept, *add]))
        if len(tags) > MOST_TAGS and len(tags) > len(job.tags):
            raise Conflict(message("run.too_many_tags", job_id=job_id, most=MOST_TAGS))
        if tags != job.tags:
            _change(session, job, actor, {"tags": tags})
    return job


def _change(session: Session, job: Job, actor: Actor, changed: dict[str, Any]) -> None:
    payload: dict[str, Any] = {"fields": [_PUBLIC.get(field, field) for field in changed]}
    values = dict(changed)
    if "name" in changed:
        payload["former_name"] = job.name
        values["folded_name"] = changed["name"].casefold()
    if "tags" in changed:
        session.execute(delete(JobTag).where(JobTag.job_id == job.id))
        session.add_all(JobTag(job_id=job.id, tag=tag) for tag in changed["tags"])
        session.flush()
    change(session, job, values)
    events.append(session, job.id, actor, "edited", job.attempt, payload)
