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

    __table_args__ = (
        Index(None, "stopped_at", "last_heartbeat_at"),
        {"sqlite_autoincrement": True},  # one whose row was removed may come back
    )
