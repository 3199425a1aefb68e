"""Which database this is."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import Base

INSTANCE_LENGTH = 16


class Instance(Base):
    """The name of this database: one row, made by a migration and never changed.

    Numbers of runs begin at 1 in every database. What lies outside (an open page, a cache, a
    bookmark) tells by this name that run 1 is not the run 1 that it knows.
    """

    __tablename__ = "instances"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(INSTANCE_LENGTH))
    """Hexadecimal digits."""

    __table_args__ = (CheckConstraint("id = 1", name="there_is_one"),)
