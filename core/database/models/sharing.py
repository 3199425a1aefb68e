"""How the devices are shared: what each has used and may use, and what holds for a queue."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import NAME_LENGTH, QUEUE_LENGTH, Base


class OwnerUse(Base):
    """What the runs of one owner have used of the devices, and use now.

    A row is read with the first job of each lane, so that a claim knows whose turn it is without
    adding up attempts. It changes with each attempt that begins or ends, in the same transaction.
    """

    __tablename__ = "usage"

    owner: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    device_seconds: Mapped[float]
    """At `as_of`; what is older counts less (`core.jobs.sharing.HALF_LIFE_S`)."""
    as_of: Mapped[datetime]
    devices: Mapped[int]
    """Those that its runs hold since `as_of`."""
    runs: Mapped[int]
    """Those that run since `as_of`."""
    days: Mapped[dict[str, Any]]
    """Device-seconds of each of the last days until `as_of`, undiminished, by the date in UTC."""


class OwnerLimit(Base):
    """What one owner may use at most; what is NULL is as it is for everybody."""

    __tablename__ = "limits"

    owner: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    """Empty in the row for everybody, in which NULL is no limit."""
    most_running: Mapped[int | None]
    most_queued: Mapped[int | None]
    device_hours_a_week: Mapped[float | None]
    storage_bytes: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint(
            "most_running >= 0 AND most_queued >= 0 AND device_hours_a_week >= 0 "
            "AND storage_bytes >= 0",
            name="no_limit_is_negative",
        ),
    )


class QueuePolicy(Base):
    """What an administrator has said of a queue; of most there is no row."""

    __tablename__ = "queue_policies"

    queue: Mapped[str] = mapped_column(String(QUEUE_LENGTH), primary_key=True)
    preempts: Mapped[bool]
    """Whether its runs of a higher priority may take the place of running ones of a lower."""
    changed_at: Mapped[datetime | None]
    changed_by: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """The name of the actor who said so."""
