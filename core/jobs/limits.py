"""What each person may use: who decides it, and what is refused by it.

What runs is left to run: a limit that is set lower holds up what would begin, or come, later.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.orm import Session

from core.database.dialects import insert_or
from core.database.engine import Database
from core.database.models import Artifact, Job, OwnerLimit, Snapshot
from core.errors import Conflict, Forbidden
from core.jobs import events, sharing
from core.jobs.actors import Actor, may
from core.jobs.sharing import Limits
from core.messages import message


def put(database: Database, actor: Actor, owner: str, limits: Limits) -> None:
    """Say what an owner may use at most; of `sharing.EVERYBODY`: who has no limit of their own.

    Raises:
        Forbidden: the actor may not.
    """
    _refuse_unless_allowed(actor)
    values = asdict(limits)
    with database.writing() as session:
        if all(value is None for value in values.values()):
            session.execute(delete(OwnerLimit).where(OwnerLimit.owner == owner))
            return
        new = insert_or(session, OwnerLimit).values(owner=owner, **values)
        session.execute(new.on_conflict_do_update(index_elements=["owner"], set_=values))


def every(session: Session) -> dict[str, Limits]:
    """The limits that were set, by their owners."""
    return {row.owner: _limits(row) for row in session.scalars(select(OwnerLimit))}


def of_owner(session: Session, owner: str) -> Limits:
    """What an owner may use: their own limits, and those of everybody where they have none."""
    owners = (owner, sharing.EVERYBODY)
    found = session.scalars(
        select(OwnerLimit)
        .where(OwnerLimit.owner.in_(owners))
        .execution_options(populate_existing=True)
    )
    rows = {row.owner: row for row in found}
    own, common = map(rows.get, owners)
    if own is None or common is None:
        return _limits(own or common or OwnerLimit())
    mine, all_ = asdict(_limits(own)), asdict(_limits(common))
    return Limits(**{name: all_[name] if mine[name] is None else mine[name] for name in mine})


def of_more(owner: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether anything limits how much an owner may have waiting: for `refuse_more` to look at."""
    is_theirs = OwnerLimit.owner.in_([owner, sharing.EVERYBODY])
    is_one = OwnerLimit.most_queued.is_not(None) | OwnerLimit.storage_bytes.is_not(None)
    return exists().where(is_theirs, is_one)


def refuse_more(session: Session, owner: str, count: int) -> None:
    """Refuse so many jobs more in the queue where an owner may not have as many.

    Raises:
        Conflict: with how many, or how much, there are and may be.
    """
    limits = of_owner(session, owner)
    if limits.most_queued is not None:
        events.hold(session)  # who counts at the same time sees what the other has added
        queued = queued_of(session, owner)
        if queued + count > limits.most_queued:
            most = limits.most_queued
            raise Conflict(message("limit.queued", owner=owner, queued=queued, most=most))
    if limits.storage_bytes is not None:
        used = stored_of(session, owner)
        if used >= limits.storage_bytes:
            most = limits.storage_bytes
            raise Conflict(message("limit.storage", owner=owner, used=used, most=most))


def queued_of(session: Session, owner: str) -> int:
    """How many jobs of an owner are queued."""
    return session.scalar(_of(owner, Job.state == "queued")) or 0


def stored_of(session: Session, owner: str) -> int:
    """The bytes of the files of an owner's jobs; what they share with others counts whole."""
    sizes: list[Any] = [
        session.scalar(select(func.sum(table.size)).join(Job, Job.id == table.job_id).where(*more))
        for table, *more in (
            (Artifact, Job.owner == owner),
            (Snapshot, Job.owner == owner, Snapshot.discarded_at.is_(None)),
        )
    ]
    return sum(int(size or 0) for size in sizes)


def _of(owner: str, is_so: Any) -> Any:
    return select(func.count()).select_from(Job).where(Job.owner == owner, is_so)


def _limits(row: OwnerLimit) -> Limits:
    return Limits(row.most_running, row.most_queued, row.device_hours_a_week, row.storage_bytes)


def _refuse_unless_allowed(actor: Actor) -> None:
    if not may(actor, "limit"):
        raise Forbidden(message("actor.may_not_limit", name=actor.name))
