"""What a big screen shows of the whole installation: what runs, what ended lately, what waits."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database.models import Job, JobEvent
from core.queries.jobs import jobs_by_id

MOST_COUNTED = 10_000
"""Queued runs that are counted; of more it is only known that they are more."""
LATELY = 5000
"""Events of the history that are looked at for those that ended."""
ENDS = ("finished", "failed", "cancelled")


def count_queued(session: Session) -> int:
    """How many runs wait, up to `MOST_COUNTED` and one more."""
    waiting = select(Job.id).where(Job.state == "queued").limit(MOST_COUNTED + 1).subquery()
    return session.scalar(select(func.count()).select_from(waiting)) or 0


def ended_lately(session: Session, limit: int, seen_by: str | None = None) -> Sequence[Job]:
    """The runs that ended last, for somebody, the newest first; of the end of the history."""
    newest = session.scalar(select(func.max(JobEvent.id))) or 0
    ends = session.scalars(
        select(JobEvent.job_id)
        .where(JobEvent.id > newest - LATELY, JobEvent.kind.in_(ENDS))
        .order_by(JobEvent.id.desc())
    )
    ids = list(dict.fromkeys(ends))[: 2 * limit]  # some were retried since, or deleted
    by_id = {job.id: job for job in jobs_by_id(session, ids, seen_by)}
    found = [by_id[each] for each in ids if each in by_id]
    is_over = (job for job in found if job.finished_at is not None and job.deleted_at is None)
    return list(is_over)[:limit]
