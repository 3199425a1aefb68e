"""Questions about the list of jobs."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database.models import LARGEST_KEY, Job, Worker
from core.errors import InvalidInput, NotFound
from core.messages import message
from core.queries.pages import DEFAULT_LIMIT, Page, checked_limit, key_of, page_of
from core.states import STATES, State

_JOBS = select(Job, Worker.name).outerjoin(Worker, Job.worker_id == Worker.id)


def jobs(
    session: Session, states: Sequence[str] = (), limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[tuple[Job, str | None]]:
    """A page of jobs with their workers' names, newest first."""
    for state in states:
        if state not in STATES:
            reason = message("input.unknown_state", state=state, known=list(STATES))
            raise InvalidInput.one("state", reason)
    query = _JOBS.order_by(Job.id.desc())
    if states:
        query = query.where(Job.state.in_(states))
    if cursor:
        query = query.where(Job.id < key_of(cursor, 1)[0])
    rows = [(job, worker) for job, worker in session.execute(query.limit(checked_limit(limit) + 1))]
    return page_of(rows, limit, lambda row: (row[0].id,))


def job(session: Session, job_id: int) -> tuple[Job, str | None]:
    """One job and its worker's name.

    Raises:
        NotFound: there is no such job.
    """
    row = None
    if job_id <= LARGEST_KEY:
        row = session.execute(_JOBS.where(Job.id == job_id)).one_or_none()
    if row is None:
        newest = session.scalar(select(func.max(Job.id)))
        raise NotFound(
            message("run.unknown_newest", job_id=job_id, newest=newest)
            if newest
            else message("run.unknown_none", job_id=job_id)
        )
    return row[0], row[1]


def revisions(session: Session, job_ids: Sequence[int]) -> dict[int, tuple[int, State]]:
    """The revision and the state of each of some jobs that is there, in one statement."""
    rows = session.execute(select(Job.id, Job.revision, Job.state).where(Job.id.in_(job_ids)))
    return {row[0]: (row[1], row[2]) for row in rows}


def count_by_state(session: Session) -> dict[State, int]:
    """How many jobs are in each state."""
    rows = session.execute(select(Job.state, func.count()).group_by(Job.state))
    return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}
