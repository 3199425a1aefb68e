"""The files whose bytes are blobs: snapshots and artifacts, and those that no run names."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
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

    __table_args__ = (Index(None, "discarded_at"), Index(None, "sha256"))


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
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime]

    # an address may be kept by a browser for a year: its number is never given again
    __table_args__ = ({"sqlite_autoincrement": True},)


class InitialWeights(Base):
    """The weights that a job begins with, where it begins with those that a run has published.

    It names their blob, so that they are there as long as the job is, whatever becomes of that run.
    """

    __tablename__ = "initial_weights"

    job_id: Mapped[int] = mapped_column(
        ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    source_id: Mapped[int] = mapped_column(BigInteger)
    """The run that published them; it may be purged since."""
    epoch: Mapped[int]
    """Of that run, the epoch that they are of."""
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), index=True)

    __table_args__ = (Index(None, "source_id", "job_id"),)


class UnnamedBlob(Base):
    """A file of the blob store that no run names: it is deleted when it is due, and tried again.

    The row outlives the file, so whoever is killed between both leaves work and nothing that hides.
    """

    __tablename__ = "unnamed_blobs"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    """Its SHA-256; of a copy that was cut off, the name of its scratch file."""
    version: Mapped[str] = mapped_column(String(200))
    """As the store gave it: what was put again since has another, and waits again. Or one of
    `core.jobs.unnamed.ANY` and `UNKNOWN`."""
    size: Mapped[int] = mapped_column(BigInteger)
    found_at: Mapped[datetime]
    due_at: Mapped[datetime]
    """Not deleted before this moment."""
    tries: Mapped[int]
    """How often it could not be deleted."""
    error: Mapped[str | None] = mapped_column(Text)
    """Why not, the last time."""

    __table_args__ = (Index(None, "due_at"),)


def artifact_kind(format: str) -> ArtifactKind:  # noqa: A002  (the column's name)
    """The kind of a file by its format: what a person downloads it for."""
    if format in ("pt", "safetensors"):
        return "checkpoint"
    return "card" if format.startswith("card") else "export"
