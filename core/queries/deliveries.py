"""What somebody was told, and what is on its way."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database.models import Delivery
from core.queries.pages import Page, checked_limit, key_of, page_of


def deliveries(session: Session, owner: str, limit: int, cursor: str = "") -> Page[Delivery]:
    """A page of what somebody was told, newest first.

    Raises:
        InvalidInput: a wrong limit or cursor.
    """
    query = select(Delivery).where(Delivery.owner == owner).order_by(Delivery.id.desc())
    if cursor:
        query = query.where(Delivery.id < key_of(cursor, 1)[0])
    found = session.scalars(query.limit(checked_limit(limit) + 1)).all()
    return page_of(found, limit, lambda row: (row.id,))
