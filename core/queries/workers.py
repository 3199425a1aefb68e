"""Questions about the workers."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import case, select, tuple_
from sqlalchemy.orm import Session

from core.database.models import LARGEST_KEY, Job, Worker
from core.errors import NotFound
from core.messages import message
from core.queries.pages import DEFAULT_LIMIT, Page, checked_limit, key_of, page_of
from core.workers import is_live


def workers(
    session: Session, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[tuple[Worker, list[Job], bool]]:
    """A page of workers with the jobs that each runs, and whether it is live.

    Those that have not stopped come first, then the newest: a worker that starts again and again
    pushes nobody off the first page.
    """
    has_stopped = case((Worker.stopped_at.is_(None), 0), else_=1)
    query = select(Worker, is_live()).order_by(has_stopped, Worker.id.desc())
    if cursor:
        after, worker_id = key_of(cursor, 2)
        query = query.where(tuple_(has_stopped, -Worker.id) > tuple_(after, -worker_id))
    rows = session.execute(query.limit(checked_limit(limit) + 1)).all()
    return page_of(
        _with_jobs(session, [(worker, bool(live)) for worker, live in rows]),
        limit,
        lambda row: (int(row[0].stopped_at is not None), row[0].id),
    )


def worker(session: Session, worker_id: int) -> tuple[Worker, list[Job], bool]:
    """One worker with the jobs that it runs, and whether it is live.

    Raises:
        NotFound: there is no such worker.
    """
    query = select(Worker, is_live()).where(Worker.id == worker_id)
    found = session.execute(query).first() if worker_id <= LARGEST_KEY else None
    if found is None:
        raise NotFound(message("worker.unknown", worker_id=worker_id))
    [row] = _with_jobs(session, [(found[0], bool(found[1]))])
    return row


def _with_jobs(
    session: Session, found: Sequence[tuple[Worker, bool]]
) -> list[tuple[Worker, list[Job], bool]]:
    """Some workers with the jobs that each runs."""
    running: dict[int, list[Job]] = {worker.id: [] for worker, _ in found}
    for busy in session.scalars(
        select(Job).where(Job.state == "running", Job.worker_id.in_(running)).order_by(Job.id)
    ):
        if busy.worker_id is not None:
            running[busy.worker_id].append(busy)
    return [(worker, running[worker.id], live) for worker, live in found]
