"""Augmented images that forms ask to see."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import Base
from core.messages import Message


class Preview(Base):
    """Sixteen augmented images that a form asked to see. A worker draws them; they stay a day."""

    __tablename__ = "previews"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of what is asked for, so that asking again finds what was drawn."""
    request: Mapped[dict[str, Any]]
    """`dataset`, `augmentation` and `seed`."""
    asked_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]
    """When a worker began to draw it."""
    image: Mapped[bytes | None] = mapped_column(LargeBinary)
    """A PNG, once it is drawn."""
    error: Mapped[Message | None]
    """Why it could not be drawn."""

    __table_args__ = (Index(None, "asked_at"),)
