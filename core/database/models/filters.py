"""The views of the list of runs that people keep under a name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import NAME_LENGTH, QUERY_LENGTH, Base, BigKey


class SavedFilter(Base):
    """Which runs somebody wants to see again: what stood in the address of the list."""

    __tablename__ = "saved_filters"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    owner: Mapped[str] = mapped_column(String(NAME_LENGTH))
    """The name of the actor who saved it, and sees it."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    query: Mapped[str] = mapped_column(String(QUERY_LENGTH))
    """The query of the address, as it is written there."""
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("uq_saved_filters_owner_name", "owner", "name", unique=True),
        {"sqlite_autoincrement": True},  # else the address of a removed one would be another's
    )
