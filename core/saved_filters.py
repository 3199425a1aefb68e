"""Views of the list of runs that people keep under a name: what stood in the address."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import LARGEST_KEY, SavedFilter
from core.errors import Conflict, NotFound
from core.messages import message

MOST = 50
"""Of one owner."""


def of_owner(session: Session, owner: str) -> Sequence[SavedFilter]:
    """The filters that somebody has saved, by their names."""
    mine = select(SavedFilter).where(SavedFilter.owner == owner)
    return session.scalars(mine.order_by(SavedFilter.name)).all()


def save(database: Database, owner: str, name: str, query: str) -> SavedFilter:
    """Keep a filter under a name; one that somebody has under this name already is replaced.

    Raises:
        Conflict: there are as many as anybody can have.
    """
    of_owner = SavedFilter.owner == owner
    with database.writing() as session:
        kept = session.scalar(select(SavedFilter).where(of_owner, SavedFilter.name == name))
        if kept is not None:
            kept.query = query
        else:
            if (session.scalar(select(func.count()).where(of_owner)) or 0) >= MOST:
                raise Conflict(message("filter.too_many", most=MOST))
            kept = SavedFilter(owner=owner, name=name, query=query, created_at=now())
            session.add(kept)
        session.flush()
        session.refresh(kept)
    return kept


def remove(database: Database, owner: str, filter_id: int) -> SavedFilter:
    """Forget a filter.

    Raises:
        NotFound: this owner has no such filter.
    """
    with database.writing() as session:
        kept = session.get(SavedFilter, filter_id) if filter_id <= LARGEST_KEY else None
        if kept is None or kept.owner != owner:
            raise NotFound(message("filter.unknown", filter_id=filter_id))
        session.delete(kept)
    return kept
