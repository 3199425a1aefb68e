"""What is done now and then for all, by whichever process comes first."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import Base


class Duty(Base):
    """Periodic work of the whole installation: when it is due, and where it continues.

    Many processes could do it, and one does: whoever moves `due_at` has it until then.
    """

    __tablename__ = "duties"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    due_at: Mapped[datetime]
    position: Mapped[str] = mapped_column(String(200))
    """How far a round is, where it takes several pieces; empty: at its beginning."""
