"""The workers' own rows: which are live, lost or stopped, with which devices, on which host.

All of it is by the database's clock, so it reads the same from every host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BindParameter, ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Worker

SILENT_AFTER_S = 30.0
"""A worker without a heartbeat for so long is lost."""
MISSED_FOR_S = 86400.0
"""How long a lost worker is told of where the installation says how it is."""
LISTED = 20
"""Missing workers and neighbors that are looked at, at most."""

Status = Literal["live", "starting", "lost", "stopped"]


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """The facts that a worker registers when it starts."""

    name: str
    process_id: int
    version: str
    queues: Sequence[str]
    devices: Sequence[dict[str, Any]]
    slots: int
    """0 while it starts: it can run nothing before it has read torch."""
    threads: int = 1
    """Threads of a slot."""
    host: str | None = None
    """The boot of its host, and the file that it keeps locked there (`core/hosts.py`)."""
    lock: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[str] = ()
    """Those that lie in its data folder; its gauges say so from then on."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A worker that is lost, and that no other has replaced."""

    name: str
    silent_s: float
    """Seconds since its last heartbeat, by the database's clock."""


def is_present() -> ColumnElement[bool]:
    """A worker that has not stopped and was not found to be lost: it may be live."""
    return and_(Worker.stopped_at.is_(None), Worker.lost_at.is_(None))


def has_heartbeat() -> ColumnElement[bool]:
    """A worker that is there, live or starting: a heartbeat, lately by the database's clock."""
    return and_(is_present(), Worker.last_heartbeat_at >= now(-SILENT_AFTER_S))


def is_live() -> ColumnElement[bool]:
    """The one definition of a live worker: it is there, and has slots. One that starts has none."""
    return and_(has_heartbeat(), Worker.slots > 0)


def is_drained(asker: BindParameter[int]) -> ColumnElement[bool]:
    """Whether somebody wants a worker to claim nothing, within another statement."""
    wanted = select(Worker.id).where(Worker.id == asker, Worker.desired == "drain")
    return wanted.exists()


def status(worker: Worker, *, is_live: bool) -> Status:
    """What a worker is called everywhere.

    Args:
        worker: its row.
        is_live: what the database answered to `is_live`.
    """
    if worker.stopped_at is not None:
        return "stopped"
    if is_live:
        return "live"
    return "starting" if worker.slots == 0 and worker.lost_at is None else "lost"


def live(session: Session) -> Sequence[Worker]:
    """The live workers, in the order in which they started."""
    return session.scalars(select(Worker).where(is_live()).order_by(Worker.id)).all()


def serving(session: Session) -> Sequence[Worker]:
    """The live workers that nobody drains: they do what pages ask for, too."""
    return [worker for worker in live(session) if worker.desired != "drain"]


def starting(session: Session) -> Sequence[Worker]:
    """The workers that are about to be live: they have registered, and read torch now."""
    is_starting = and_(has_heartbeat(), Worker.slots == 0)
    return session.scalars(select(Worker).where(is_starting).order_by(Worker.id)).all()


def missing(session: Session) -> list[Missing]:
    """The names of workers that were lost in the last day, unless one that is there has the same.

    Whoever ended while it started has never been live, and is not missed.
    """
    moment = now()
    of_live = select(Worker.name).where(has_heartbeat())
    newest = func.max(Worker.last_heartbeat_at)
    rows = session.execute(
        select(Worker.name, newest.label("last"), moment.label("moment"))
        .where(
            Worker.stopped_at.is_(None),
            Worker.slots > 0,
            Worker.last_heartbeat_at >= now(-MISSED_FOR_S),
            Worker.name.not_in(of_live),
        )
        .group_by(Worker.name)
        .order_by(newest.desc())
        .limit(LISTED)
    )
    return [Missing(row.name, (row.moment - row.last).total_seconds()) for row in rows]


def register(database: Database, facts: WorkerFacts) -> int:
    """Write down that a worker has started. Where it was drained it stays so.

    Returns:
        The worker's id.
    """
    worker = _row(facts)
    with database.writing() as session:
        before = session.scalar(
            select(Worker).where(Worker.name == facts.name).order_by(Worker.id.desc()).limit(1)
        )
        if before is not None:
            worker.desired = before.desired
            worker.desired_at, worker.desired_by = before.desired_at, before.desired_by
        session.add(worker)
        session.flush()
        return worker.id


def ready(database: Database, worker_id: int, facts: WorkerFacts) -> None:
    """Write down that a worker that was starting can run jobs from now on."""
    heartbeat(database, worker_id, facts)
    with database.writing() as session:
        session.execute(
            update(Worker)
            .where(Worker.id == worker_id)
            .values(slots=facts.slots)
            .execution_options(synchronize_session=False)
        )


def _row(facts: WorkerFacts) -> Worker:
    return Worker(
        name=facts.name,
        process_id=facts.process_id,
        version=facts.version,
        queues=list(facts.queues),
        devices=list(facts.devices),
        slots=facts.slots,
        threads=facts.threads,
        host=facts.host,
        lock=facts.lock,
        versions=dict(facts.versions),
        gauges={"datasets": list(facts.datasets)},
        started_at=now(),
        last_heartbeat_at=now(),
    )


def heartbeat(
    database: Database,
    worker_id: int,
    facts: WorkerFacts | None = None,
    gauges: Mapping[str, Any] | None = None,
) -> datetime:
    """Write down that a worker is there, also where it was found to be lost meanwhile.

    Args:
        database: where its row is.
        worker_id: of the row.
        facts: by which it is registered again, under its number, where its row was removed while
            its host slept; no number is ever given twice.
        gauges: how busy its host is; None: that is left as it is.

    Returns:
        The moment, by the database's clock.
    """
    more = {} if gauges is None else {"gauges": dict(gauges)}
    with database.writing() as session:
        moment: datetime | None = session.scalar(
            update(Worker)
            .where(Worker.id == worker_id)
            .values(last_heartbeat_at=now(), stopped_at=None, lost_at=None, **more)
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


def mark_lost(session: Session, worker_id: int) -> None:
    """Write down that a worker was found to have ended without a word."""
    session.execute(
        update(Worker)
        .where(Worker.id == worker_id, is_present())
        .values(lost_at=now())
        .execution_options(synchronize_session=False)
    )


def has_silent(session: Session) -> bool:
    """Whether `mark_silent_lost` would find somebody."""
    return bool(session.scalar(select(select(Worker.id).where(_is_silent()).exists())))


def _is_silent() -> ColumnElement[bool]:
    return and_(is_present(), Worker.last_heartbeat_at < now(-SILENT_AFTER_S))


def mark_silent_lost(session: Session) -> None:
    """Write down which workers are lost: those without a recent heartbeat."""
    session.execute(
        update(Worker)
        .where(_is_silent())
        .values(lost_at=now())
        .execution_options(synchronize_session=False)
    )


def neighbors(session: Session, host: str) -> list[tuple[int, str]]:
    """The workers that may be live on a host, some at a time: the id and the lock of each."""
    rows = session.execute(
        select(Worker.id, Worker.lock)
        .where(is_present(), Worker.host == host, Worker.lock.is_not(None))
        .order_by(Worker.last_heartbeat_at)
        .limit(LISTED)
    )
    return [(row.id, row.lock) for row in rows]
