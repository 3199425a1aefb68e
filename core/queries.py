"""Questions about runs, for the pages, the API and the live stream. Nothing here writes.

Lists go by keys, not by offsets: the cursor of a page is the key of its last row, so the cost of
a page does not grow with what lies before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import Session

from core.database.models import (
    LARGEST_KEY,
    Artifact,
    Attempt,
    Epoch,
    Evaluation,
    Job,
    LogLine,
    MetricSample,
    Worker,
)
from core.errors import InvalidInput, NotFound
from core.states import STATES, State

Row = TypeVar("Row")

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and the cursor of the next page, or None at the end."""

    items: Sequence[Row]
    next: str | None


def jobs(
    session: Session, states: Sequence[str] = (), limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[tuple[Job, str | None]]:
    """A page of jobs with their workers' names, newest first."""
    for state in states:
        if state not in STATES:
            raise InvalidInput.one(
                "state", f"there is no state {state}; known: {', '.join(STATES)}"
            )
    query = _JOBS.order_by(Job.id.desc())
    if states:
        query = query.where(Job.state.in_(states))
    if cursor:
        query = query.where(Job.id < _key(cursor, 1)[0])
    rows = [(job, worker) for job, worker in session.execute(query.limit(_checked(limit) + 1))]
    return _page(rows, limit, lambda row: (row[0].id,))


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
        known = f"the newest is {newest}" if newest else "there are none yet"
        raise NotFound(f"There is no job {job_id}; {known}.")
    return row[0], row[1]


_JOBS = select(Job, Worker.name).outerjoin(Worker, Job.worker_id == Worker.id)


def epochs(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[Epoch]:
    """A page of a job's epochs, first to last."""
    return _rows(session, Epoch, job_id, limit, cursor, Epoch.epoch)


def metrics(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[MetricSample]:
    """A page of a job's metric samples, first to last."""
    return _rows(session, MetricSample, job_id, limit, cursor, MetricSample.step)


def logs(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[LogLine]:
    """A page of a job's log, first to last."""
    return _rows(session, LogLine, job_id, limit, cursor, LogLine.attempt, LogLine.number)


def attempts(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[tuple[Attempt, str]]:
    """A page of a job's attempts with their workers' names, first to last."""
    query = (
        select(Attempt, Worker.name)
        .join(Worker, Attempt.worker_id == Worker.id)
        .where(Attempt.job_id == job_id)
        .order_by(Attempt.number)
    )
    if cursor:
        query = query.where(tuple_(Attempt.number) > tuple_(*_key(cursor, 1)))
    rows = [(attempt, name) for attempt, name in session.execute(query.limit(_checked(limit) + 1))]
    return _page(rows, limit, lambda row: (row[0].number,))


def artifacts(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[Artifact]:
    """A page of a job's published files."""
    return _rows(session, Artifact, job_id, limit, cursor, Artifact.id)


def artifact(session: Session, artifact_id: int) -> Artifact:
    """One published file.

    Raises:
        NotFound: there is no such artifact.
    """
    found = session.get(Artifact, artifact_id) if artifact_id <= LARGEST_KEY else None
    if found is None:
        raise NotFound(f"There is no artifact {artifact_id}.")
    return found


def evaluation(session: Session, job_id: int) -> Evaluation:
    """What a job's published weights do on the test set.

    Raises:
        NotFound: there is no such job, or it has not been evaluated.
    """
    row, _ = job(session, job_id)
    found = session.get(Evaluation, job_id)
    if found is None:
        raise NotFound(
            f"Run {job_id} is {row.state} and has no evaluation: one is made when training has "
            "ended."
        )
    return found


def evaluated_attempt(session: Session, job_id: int) -> int:
    """The attempt that made a job's evaluation, or 0 where there is none; reads no content."""
    return session.scalar(select(Evaluation.attempt).where(Evaluation.job_id == job_id)) or 0


def workers(
    session: Session, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[tuple[Worker, list[Job]]]:
    """A page of workers, newest first, each with the jobs that it runs."""
    query = select(Worker).order_by(Worker.id.desc())
    if cursor:
        query = query.where(Worker.id < _key(cursor, 1)[0])
    found = session.scalars(query.limit(_checked(limit) + 1)).all()
    running: dict[int, list[Job]] = {worker.id: [] for worker in found}
    for busy in session.scalars(
        select(Job).where(Job.state == "running", Job.worker_id.in_(running)).order_by(Job.id)
    ):
        if busy.worker_id is not None:
            running[busy.worker_id].append(busy)
    return _page(
        [(worker, running[worker.id]) for worker in found], limit, lambda row: (row[0].id,)
    )


def live_workers(session: Session) -> Sequence[Worker]:
    """The workers that have not stopped."""
    return session.scalars(
        select(Worker).where(Worker.stopped_at.is_(None)).order_by(Worker.id)
    ).all()


def count_by_state(session: Session) -> dict[State, int]:
    """How many jobs are in each state."""
    rows = session.execute(select(Job.state, func.count()).group_by(Job.state))
    return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}


def _rows(
    session: Session, table: Any, job_id: int, limit: int, cursor: str, *keys: Any
) -> Page[Any]:
    """A page of the rows of one job, in the order of `keys`."""
    query: Select[Any] = select(table).where(table.job_id == job_id).order_by(*keys)
    if cursor:
        query = query.where(tuple_(*keys) > tuple_(*_key(cursor, len(keys))))
    rows = session.scalars(query.limit(_checked(limit) + 1)).all()
    return _page(rows, limit, lambda row: tuple(getattr(row, key.key) for key in keys))


def _page(rows: Sequence[Row], limit: int, key: Any) -> Page[Row]:
    """Cut the one row too many that shows whether there is a next page."""
    items = rows[:limit]
    more = len(rows) > limit
    return Page(items, ".".join(str(part) for part in key(items[-1])) if more else None)


def _checked(limit: int) -> int:
    if not 1 <= limit <= LARGEST_LIMIT:
        raise InvalidInput.one("limit", f"choose a number from 1 to {LARGEST_LIMIT}")
    return limit


def _key(cursor: str, parts: int) -> tuple[int, ...]:
    pieces = cursor.split(".")
    if len(pieces) != parts or not all(
        piece.isascii() and piece.isdigit() and len(piece) < 19 for piece in pieces
    ):
        raise InvalidInput.one("cursor", "use the cursor of an earlier page as it was given")
    return tuple(int(piece) for piece in pieces)
