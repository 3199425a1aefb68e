"""The workers' own rows: who is there, with which devices, and when each was last heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update

from core.database import Database, now
from core.models import Worker

SILENT_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker says of itself when it starts."""

    name: str
    process_id: int
    version: str
    queues: Sequence[str]
    devices: Sequence[dict[str, Any]]
    slots: int


def register(database: Database, facts: WorkerFacts) -> int:
    """Write down that a worker has started.

    Returns:
        The worker's id.
    """
    worker = Worker(
        name=facts.name,
        process_id=facts.process_id,
        version=facts.version,
        queues=list(facts.queues),
        devices=list(facts.devices),
        slots=facts.slots,
        started_at=now(),
        seen_at=now(),
    )
    with database.writing() as session:
        session.add(worker)
        session.flush()
        return worker.id


def seen(database: Database, worker_id: int) -> datetime:
    """Say that the worker is still there, whatever was said of it meanwhile.

    Returns:
        The moment, by the database's clock.
    """
    with database.writing() as session:
        moment: datetime = session.scalars(
            update(Worker)
            .where(Worker.id == worker_id)
            .values(seen_at=now(), stopped_at=None)
            .returning(Worker.seen_at)
            .execution_options(synchronize_session=False)
        ).one()
        return moment


def stopped(database: Database, worker_id: int) -> None:
    """Say that the worker has stopped on purpose."""
    with database.writing() as session:
        session.execute(
            update(Worker)
            .where(Worker.id == worker_id)
            .values(stopped_at=now())
            .execution_options(synchronize_session=False)
        )


def write_off_silent(database: Database) -> None:
    """Count workers that were not heard from for a while as stopped."""
    with database.writing() as session:
        session.execute(
            update(Worker)
            .where(Worker.stopped_at.is_(None), Worker.seen_at < now(-SILENT_AFTER_S))
            .values(stopped_at=now())
            .execution_options(synchronize_session=False)
        )
