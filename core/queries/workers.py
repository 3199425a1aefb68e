"""Questions about the workers, and the queues that they may serve."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database.hints import in_passing
from core.database.models import LARGEST_KEY, Job, Lane, Worker
from core.errors import NotFound
from core.messages import message
from core.queries.pages import DEFAULT_LIMIT, Page, checked_limit, key_of, page_of
from core.workers import is_live

# the parts of the list, as its cursors name them
_LIVE, _OTHERS = 0, 1


def workers(
    session: Session, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[tuple[Worker, list[Job], bool]]:
    """A page of workers with the jobs that each runs, and whether it is live.

    The live ones come first, by their start: one that starts again and again, and is not yet known
    to be lost, comes after those that stay. Then come the others, the newest first.
    """
    group, after = key_of(cursor, 2) if cursor else (_LIVE, 0)
    wanted = checked_limit(limit) + 1
    found: list[tuple[Worker, bool]] = []
    if group == _LIVE:
        # they are few among all that ever were: found by their index, and sorted then. In the
        # order of the key itself PostgreSQL may rather walk through all
        live = select(Worker).where(is_live(), Worker.id > after).order_by(Worker.id + 0)
        found += [(worker, True) for worker in session.scalars(live.limit(wanted))]
    if len(found) < wanted:
        others = select(Worker).where(~is_live()).order_by(Worker.id.desc())
        if group == _OTHERS:
            others = others.where(Worker.id < after)
        rows = session.scalars(others.limit(wanted - len(found)))
        found += [(worker, False) for worker in rows]
    running = _running(session, [worker.id for worker, _ in found])
    return page_of(
        [(worker, running[worker.id], live) for worker, live in found],
        limit,
        lambda row: (_LIVE if row[2] else _OTHERS, row[0].id),
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
    row, live = found
    return row, _running(session, [worker_id])[worker_id], bool(live)


def queues(session: Session) -> list[str]:
    """The queues into which jobs were put."""
    return list(session.scalars(select(Lane.queue).distinct().order_by(Lane.queue)))


def _running(session: Session, worker_ids: Sequence[int]) -> dict[int, list[Job]]:
    running: dict[int, list[Job]] = {worker_id: [] for worker_id in worker_ids}
    for busy in session.scalars(
        select(Job)
        .where(Job.state == "running", in_passing(Job.worker_id).in_(running))
        .order_by(Job.id)
    ):
        if busy.worker_id is not None:
            running[busy.worker_id].append(busy)
    return running
