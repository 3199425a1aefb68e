"""The workers' own rows: who is there, with which devices, and when each was last heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database.engine import Database, now
from core.database.models import Worker
from core.errors import InvalidInput

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


def live(session: Session) -> Sequence[Worker]:
    """The workers that were heard lately, and have not stopped."""
    return session.scalars(
        select(Worker).where(
            Worker.stopped_at.is_(None), Worker.last_heartbeat_at >= now(-SILENT_AFTER_S)
        )
    ).all()


def largest_group(worker: Worker | WorkerFacts, device: str) -> int:
    """How many devices a worker can give one run on `device`, as its spec has it; 0: none.

    The slots of a CPU may work for one run together; those of one GPU may not.
    """
    gpus = sum(isinstance(each, dict) and each.get("kind") == "cuda" for each in worker.devices)
    on_cpu = device == "cpu" or (device == "auto" and not gpus)
    return worker.slots if on_cpu else min(gpus, worker.slots)


def refuse_more_than_there_are(database: Database, queue: str, device: str, devices: int) -> None:
    """Refuse a run on several devices that none of the live workers of its queue can give it.

    Where no worker is live that serves the queue, nobody knows yet: nothing is refused.

    Raises:
        InvalidInput: naming the field, and the most that there is.
    """
    if devices == 1:
        return
    with database.reading() as session:
        serving = [worker for worker in live(session) if queue in worker.queues]
    most = max((largest_group(worker, device) for worker in serving), default=devices)
    if devices > most:
        raise InvalidInput.one("devices", _too_many(queue, devices, most))


def _too_many(queue: str, devices: int, most: int) -> str:
    serving = f"of the live workers that serve queue {queue} none"
    if not most:
        return (
            f"{serving} has a GPU; choose another device or queue, or start a worker on a host "
            f"with {devices} GPUs"
        )
    return (
        f"{serving} can give one run {devices} devices, the most is {most}; choose at most {most}, "
        "or another queue, or start a worker with more GPUs or with more slots of a CPU "
        "(TRAINYARD_SLOTS)"
    )


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
        last_heartbeat_at=now(),
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
            .values(last_heartbeat_at=now(), stopped_at=None)
            .returning(Worker.last_heartbeat_at)
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
            .where(Worker.stopped_at.is_(None), Worker.last_heartbeat_at < now(-SILENT_AFTER_S))
            .values(stopped_at=now())
            .execution_options(synchronize_session=False)
        )
