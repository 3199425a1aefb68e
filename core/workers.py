"""The workers' own rows: which are live, with which devices, and the last heartbeat of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Worker

SILENT_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """The facts that a worker registers when it starts."""

    name: str
    process_id: int
    version: str
    queues: Sequence[str]
    devices: Sequence[dict[str, Any]]
    slots: int
    threads: int = 1
    """Threads of a slot."""


def is_live() -> ColumnElement[bool]:
    """The one definition of a live worker: a heartbeat, lately by the database's clock, no stop."""
    return and_(Worker.stopped_at.is_(None), Worker.last_heartbeat_at >= now(-SILENT_AFTER_S))


def live(session: Session) -> Sequence[Worker]:
    """The live workers, in the order in which they started."""
    return session.scalars(select(Worker).where(is_live()).order_by(Worker.id)).all()


def register(database: Database, facts: WorkerFacts) -> int:
    """Write down that a worker has started.

    Returns:
        The worker's id.
    """
    worker = _row(facts)
    with database.writing() as session:
        session.add(worker)
        session.flush()
        return worker.id


def _row(facts: WorkerFacts) -> Worker:
    return Worker(
        name=facts.name,
        process_id=facts.process_id,
        version=facts.version,
        queues=list(facts.queues),
        devices=list(facts.devices),
        slots=facts.slots,
        threads=facts.threads,
        started_at=now(),
        last_heartbeat_at=now(),
    )


def heartbeat(database: Database, worker_id: int, facts: WorkerFacts | None = None) -> datetime:
    """Write down that a worker is there, also where it was counted as stopped meanwhile.

    Args:
        database: where its row is.
        worker_id: of the row.
        facts: by which it is registered again, under its number, where its row was removed while
            its host slept; no number is ever given twice.

    Returns:
        The moment, by the database's clock.
    """
    with database.writing() as session:
        moment: datetime | None = session.scalar(
            update(Worker)
            .where(Worker.id == worker_id)
            .values(last_heartbeat_at=now(), stopped_at=None)
            .returning(Worker.last_heartbeat_at)
            .execution_options(synchronize_session=False)
        )
        if moment is None and facts is not None:
            worker = _row(facts)
            worker.id = worker_id
            session.add(worker)
            session.flush()
            moment = session.scalar(select(Worker.last_heartbeat_at).where(Worker.id == worker_id))
        if moment is None:
            raise LookupError(f"no worker {worker_id} is registered")
        return moment


def mark_stopped(database: Database, worker_id: int) -> None:
    """Write down that a worker has stopped on purpose."""
    with database.writing() as session:
        session.execute(
            update(Worker)
            .where(Worker.id == worker_id)
            .values(stopped_at=now())
            .execution_options(synchronize_session=False)
        )


def mark_silent_stopped(database: Database) -> None:
    """Count workers without a recent heartbeat as stopped."""
    with database.writing() as session:
        session.execute(
            update(Worker)
            .where(Worker.stopped_at.is_(None), Worker.last_heartbeat_at < now(-SILENT_AFTER_S))
            .values(stopped_at=now())
            .execution_options(synchronize_session=False)
        )
