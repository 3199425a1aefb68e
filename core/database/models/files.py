"""The files of runs whose bytes are blobs: snapshots, and artifacts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import ArtifactKind, Base, BigKey


class Snapshot(Base):
    """A place in a run from which training can resume exactly. The bytes are a blob of its own."""

    __tablename__ = "snapshots"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """Batches done."""
    epoch: Mapped[int]
    """Whole epochs done."""
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    discarded_at: Mapped[datetime | None]
    """Set when nobody needs it any more: the blob is deleted first, then this row."""

    __table_args__ = (Index(None, "discarded_at"),)


class Artifact(Base):
    """A published file of a run. The bytes are a blob, written once."""

    __tablename__ = "artifacts"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    attempt: Mapped[int]
    epoch: Mapped[int]
    kind: Mapped[ArtifactKind]
    format: Mapped[str] = mapped_column(String(20))
    filename: Mapped[str] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


def artifact_kind(format: str) -> ArtifactKind:  # noqa: A002  (the column's name)
    """The kind of a file by its format: what a person downloads it for."""
    if format in ("pt", "safetensors"):
        return "checkpoint"
    return "card" if format.startswith("card") else "export"
