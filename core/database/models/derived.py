"""Files that a worker computed because a page asked for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import Base
from core.messages import Message


class DerivedFile(Base):
    """A file that can be computed again at any time, from a run's weights or from a dataset.

    The web has neither torch nor datasets, so a worker computes it; the bytes are a blob. It is a
    cache: what nobody has asked for lately goes.
    """

    __tablename__ = "derived_files"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of what is asked for, so that asking again finds what was computed."""
    request: Mapped[dict[str, Any]]
    """What it is, by `kind`, and what it is made of (`core.derived`)."""
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    """The run whose weights it is made of; None: it is made of a dataset."""
    asked_at: Mapped[datetime]
    """When it was asked for, within an hour."""
    taken_at: Mapped[datetime | None]
    """When a worker began to compute it."""
    sha256: Mapped[str | None] = mapped_column(String(64))
    """Of its blob, once it is there."""
    size: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[Message | None]
    """Why it could not be computed."""

    __table_args__ = (Index(None, "asked_at"), Index(None, "job_id"), Index(None, "sha256"))
