"""Periodic work of the whole installation: one process at a time does it, from where it was."""

from __future__ import annotations

from sqlalchemy import select, update

from core.database.clock import now
from core.database.dialects import insert_or
from core.database.engine import Database
from core.database.models import Duty

TAKEN_FOR_S = 300.0
"""A process that was killed over a duty keeps it from the others for so long."""


def take(database: Database, name: str) -> str | None:
    """Take a duty that is due.

    Returns:
        The position from which it continues, empty at its beginning; None where it is not due, or
        another process was quicker.
    """
    with database.reading() as session:
        is_later = select(Duty.name).where(Duty.name == name, Duty.due_at > now())
        if session.scalar(is_later) is not None:
            return None
    with database.writing() as session:
        new = insert_or(session, Duty).values(name=name, due_at=now(), position="")
        session.execute(new.on_conflict_do_nothing())
        return session.scalar(
            update(Duty)
            .where(Duty.name == name, Duty.due_at <= now())
            .values(due_at=now(TAKEN_FOR_S))
            .returning(Duty.position)
            .execution_options(synchronize_session=False)
        )


def give_back(database: Database, name: str, position: str, due_in_s: float) -> None:
    """Leave a duty to whoever comes next, from a position on, in so many seconds."""
    with database.writing() as session:
        session.execute(
            update(Duty)
            .where(Duty.name == name)
            .values(due_at=now(due_in_s), position=position)
            .execution_options(synchronize_session=False)
        )
