"""The lanes of the queues."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import KIND_LENGTH, NAME_LENGTH, QUEUE_LENGTH, Base, BigKey


class Lane(Base):
    """The jobs of one queue and owner that need the same, so that the same workers can run them.

    A lane is in the order of the claim, and an index has it: only its first job need be looked at,
    however many wait behind. There is a row for each combination that ever occurred, and they are
    few. What is not bound is empty or 0 and not NULL, because NULLs are never equal.
    """

    __tablename__ = "lanes"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    queue: Mapped[str] = mapped_column(String(QUEUE_LENGTH))
    device: Mapped[str] = mapped_column(String(10))
    devices: Mapped[int]
    pinned_precision: Mapped[str] = mapped_column(String(10))
    pinned_threads: Mapped[int]
    dataset: Mapped[str] = mapped_column(String(KIND_LENGTH))
    """So that a worker which rests from a dataset passes its runs by without a look at them."""
    owner: Mapped[str] = mapped_column(String(NAME_LENGTH))
    """By whom the devices are shared: of those that wait alike, whose turn it is goes first."""
    notified_at: Mapped[datetime]
    """When workers were last notified of the jobs that wait here, or when the lane was made."""
    kept_worker_id: Mapped[int | None] = mapped_column(BigInteger)
    """The worker that takes nothing else before `kept_job_id`, a job for several devices."""
    kept_job_id: Mapped[int | None] = mapped_column(BigInteger)
    """For which the worker is kept while it is the first here; any other job has none."""

    __table_args__ = (
        UniqueConstraint(
            *("queue", "device", "devices", "pinned_precision", "pinned_threads", "dataset"),
            "owner",
            name="uq_lanes_needs",  # by the convention it would be too long
        ),
    )
