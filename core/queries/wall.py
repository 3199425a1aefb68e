"""What a big screen shows of the whole installation: what runs, what ended lately, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database.hints import in_passing
from core.database.models import Job, JobEvent
from core.queries.jobs import jobs_by_id
from core.states import FINAL

MOST_COUNTED = 10_000
"""Queued runs that are counted; of more it is only known that they are more."""
LATELY = 5000
"""Events of the history that are looked at for those that ended."""
MOST_ENDS_EACH = 8
"""How often a run may have ended, was tried again and ended, until it costs another its place."""
ENDS = ("finished", "failed", "cancelled")


def count_queued(session: Session) -> int:
    """How many runs wait, up to `MOST_COUNTED` and one more."""
    waiting = select(Job.id).where(Job.state == "queued").limit(MOST_COUNTED + 1).subquery()
    return session.scalar(select(func.count()).select_from(waiting)) or 0


def ended_lately(session: Session, limit: int) -> Sequence[Job]:
    """The runs that ended last, the newest end first.

    They are looked for at the end of the history. Where it has too few, because what ended there was
    deleted, those with the highest numbers of all that are over come after them, in the same order.
    """
    found = _ended_in_history(session, limit)
    if len(found) < limit:
        known = {job.id for job in found}
        older = [job for job in _ended_by_number(session, limit) if job.id not in known]
        found += sorted(older, key=lambda job: (_end_of(job), job.id), reverse=True)
    return found[:limit]


def _ended_in_history(session: Session, limit: int) -> list[Job]:
    newest = session.scalar(select(func.max(JobEvent.id))) or 0
    ends = session.scalars(
        select(JobEvent.job_id)
        .join(Job, Job.id == in_passing(JobEvent.job_id))
        .where(JobEvent.id > newest - LATELY, JobEvent.kind.in_(ENDS))
        # some were retried since, or deleted
        .where(in_passing(Job.finished_at).is_not(None), in_passing(Job.deleted_at).is_(None))
        .order_by(JobEvent.id.desc())
        .limit(MOST_ENDS_EACH * limit)
    )
    ids = list(dict.fromkeys(ends))[:limit]
    by_id = {job.id: job for job in jobs_by_id(session, ids)}
    return [by_id[each] for each in ids if each in by_id]


def _ended_by_number(session: Session, limit: int) -> list[Job]:
    ids = [
        job_id
        for state in FINAL
        for job_id in session.scalars(
            select(Job.id)
            .where(Job.state == state, in_passing(Job.deleted_at).is_(None))
            .order_by(Job.id.desc())
            .limit(limit)
        )
    ]
    return jobs_by_id(session, ids)


def _end_of(job: Job) -> datetime:
    return job.finished_at or job.created_at
