"""The worker processes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import NAME_LENGTH, Base, BigKey


class Worker(Base):
    """A worker process: so that the pages can say who is there, and since when it is silent."""

    __tablename__ = "workers"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    process_id: Mapped[int]
    version: Mapped[str] = mapped_column(String(40))
    queues: Mapped[list[Any]]
    devices: Mapped[list[Any]]
    slots: Mapped[int]
    threads: Mapped[int | None]
    """Threads of a slot."""
    started_at: Mapped[datetime]
    last_heartbeat_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    rests: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    """What it cannot do now, and until when, as `core.jobs.rests.Rest` writes it. In this row,
    because whoever asks what fits where has it then without another look."""

    __table_args__ = (Index(None, "stopped_at", "last_heartbeat_at"),)
