"""The worker processes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import NAME_LENGTH, Base, BigKey

HOST_LENGTH = 64
LOCK_LENGTH = 120

_IS_PRESENT = text("stopped_at IS NULL AND lost_at IS NULL")


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
    """When it stopped on purpose."""
    lost_at: Mapped[datetime | None]
    """When it was found to be lost: without heartbeats, or ended as its host could see."""
    host: Mapped[str | None] = mapped_column(String(HOST_LENGTH))
    """The boot of the host that it runs on (`core/hosts.py`); None: not known."""
    lock: Mapped[str | None] = mapped_column(String(LOCK_LENGTH))
    """The file that it keeps locked for as long as it, or what it has started, lives."""
    rests: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    """What it cannot do now, and until when, as `core.jobs.rests.Rest` writes it. In this row,
    because whoever asks what fits where has it then without another look."""
    desired: Mapped[str] = mapped_column(String(10), default="run", server_default="run")
    """`run`, or `drain`: it claims nothing new, and finishes what it runs. A worker that is started
    again has what the newest of its name had."""
    desired_at: Mapped[datetime | None]
    """When somebody last asked for one of the two; None: nobody ever did."""
    desired_by: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """The name of the actor who asked."""
    versions: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    """What is installed there, by its name: Python, torch, and what the GPUs' driver supports."""
    gauges: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    """How busy its host and its devices were lately, and which datasets it has, as
    `worker/gauges.py` reads it. It is written by the heartbeat, which writes this row anyway."""

    __table_args__ = (
        Index(None, "stopped_at", "last_heartbeat_at"),
        # those that are live, and those that are to be found lost: of all that ever were, a few
        Index(
            "ix_workers_present",
            "last_heartbeat_at",
            sqlite_where=_IS_PRESENT,
            postgresql_where=_IS_PRESENT,
        ),
        {"sqlite_autoincrement": True},  # one whose row was removed may come back
    )
