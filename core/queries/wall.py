"""What a big screen shows of the whole installation: what runs, what ended lately, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.hints import in_passing
from core.database.models import Epoch, Job, JobEvent
from core.queries.clauses import is_seen
from core.queries.jobs import jobs_by_id
from core.states import FINAL, State

MOST_COUNTED = 10_000
"""Runs of a state that are counted; of more it is only known that they are more."""
DAY_S = 86_400.0
READ_OF_A_DAY = 20_000
"""Events of the history that are read for those that failed in a day."""
LATELY = 5000
"""Events of the history that are looked at for those that ended."""
MOST_ENDS_EACH = 8
"""How often a run may have ended, was tried again and ended, until it costs another its place."""
ENDS = ("finished", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are, or that they are more than were counted."""

    number: int
    are_more: bool = False


def count_of_state(session: Session, state: State) -> Count:
    """How many runs are in a state; of more than `MOST_COUNTED` no more are counted."""
    shown = in_passing(Job.deleted_at).is_(None)
    some = select(Job.id).where(Job.state == state, shown).limit(MOST_COUNTED + 1).subquery()
    found = session.scalar(select(func.count()).select_from(some)) or 0
    return Count(min(found, MOST_COUNTED), found > MOST_COUNTED)


def count_failed_lately(session: Session) -> Count:
    """How many runs failed in the last day; more, where that day had more events than are read."""
    newest = session.scalar(select(func.max(JobEvent.id))) or 0
    first = newest - READ_OF_A_DAY
    since = now(-DAY_S)
    at = in_passing(JobEvent.at)
    failed = select(func.count()).where(JobEvent.id > first, JobEvent.kind == "failed", at >= since)
    earlier = select(func.count()).where(JobEvent.id == first, at >= since)
    return Count(session.scalar(failed) or 0, bool(session.scalar(earlier)))


def best_test_accuracies(session: Session, job_ids: Sequence[int]) -> dict[int, float]:
    """The highest test accuracy of an epoch so far, of those of some runs that have one."""
    asked = select(Epoch.job_id, func.max(Epoch.test_accuracy).label("best"))
    rows = session.execute(asked.where(Epoch.job_id.in_(job_ids)).group_by(Epoch.job_id))
    return {row.job_id: row.best for row in rows}


def ended_lately(session: Session, limit: int, seen_by: str | None = None) -> Sequence[Job]:
    """The runs that ended last, for somebody, the newest end first.

    They are looked for at the end of the history. Where it has too few, because what ended there
    was deleted, those with the highest numbers of all that are over come after them.
    """
    found = _ended_in_history(session, limit, seen_by)
    if len(found) < limit:
        known = {job.id for job in found}
        older = [job for job in _ended_by_number(session, limit, seen_by) if job.id not in known]
        found += sorted(older, key=lambda job: (_end_of(job), job.id), reverse=True)
    return found[:limit]


def _ended_in_history(session: Session, limit: int, seen_by: str | None) -> list[Job]:
    newest = session.scalar(select(func.max(JobEvent.id))) or 0
    ends = session.scalars(
        select(JobEvent.job_id)
        .join(Job, Job.id == in_passing(JobEvent.job_id))
        .where(JobEvent.id > newest - LATELY, JobEvent.kind.in_(ENDS))
        # some were retried since, or deleted
        .where(in_passing(Job.finished_at).is_not(None), in_passing(Job.deleted_at).is_(None))
        .where(*is_seen(seen_by))
        .order_by(JobEvent.id.desc())
        .limit(MOST_ENDS_EACH * limit)
    )
    ids = list(dict.fromkeys(ends))[:limit]
    by_id = {job.id: job for job in jobs_by_id(session, ids, seen_by)}
    return [by_id[each] for each in ids if each in by_id]


def _ended_by_number(session: Session, limit: int, seen_by: str | None) -> list[Job]:
    ids = [
        job_id
        for state in FINAL
        for job_id in session.scalars(
            select(Job.id)
            .where(Job.state == state, in_passing(Job.deleted_at).is_(None), *is_seen(seen_by))
            .order_by(Job.id.desc())
            .limit(limit)
        )
    ]
    return jobs_by_id(session, ids, seen_by)


def _end_of(job: Job) -> datetime:
    return job.finished_at or job.created_at
