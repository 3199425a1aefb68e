"""The tables. Everything that Trainyard knows about a run is in these rows.

Times are stored in UTC and always set by the database's own clock (`core.database.engine.now`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.states import DESIRED, OUTCOMES, STATES, Desired, Outcome, State

ArtifactKind = Literal["checkpoint", "export", "card"]
"""checkpoint: the weights (.pt, .safetensors); export: the same for other runtimes (.onnx)."""


def artifact_kind(format: str) -> ArtifactKind:  # noqa: A002  (the column's name)
    """The kind of a file by its format: what a person downloads it for."""
    if format in ("pt", "safetensors"):
        return "checkpoint"
    return "card" if format.startswith("card") else "export"


NAME_LENGTH = 120
QUEUE_LENGTH = 60
KIND_LENGTH = 60
LARGEST_KEY = 2**63 - 1
"""What a database can look up; whoever asks for more asks for what does not exist."""

BigKey = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER keys up


class UTCDateTime(TypeDecorator[datetime]):
    """A moment. PostgreSQL keeps the zone; SQLite keeps UTC without saying so."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can drop it on either database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UTCDateTime,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        State: String(20),
        Desired: String(20),
        Outcome: String(20),
        ArtifactKind: String(20),
    }


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Worker(Base):
    """A worker process: so that the pages can say who is there, and what was last heard."""

    __tablename__ = "workers"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    process_id: Mapped[int]
    version: Mapped[str] = mapped_column(String(40))
    queues: Mapped[list[Any]]
    devices: Mapped[list[Any]]
    slots: Mapped[int]
    started_at: Mapped[datetime]
    last_heartbeat_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]

    __table_args__ = (Index(None, "stopped_at", "last_heartbeat_at"),)


class Job(Base):
    """A run that somebody asked for. This row is the queue entry, the state and the lease.

    The last values of the run (progress, losses, accuracy) are kept here again, so that a page
    of the list reads one table.
    """

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    preset: Mapped[str | None] = mapped_column(String(60))
    spec: Mapped[dict[str, Any]]
    priority: Mapped[int]
    queue: Mapped[str] = mapped_column(String(QUEUE_LENGTH))
    device: Mapped[str] = mapped_column(String(10))
    """The spec's device again: the claim matches it against what a worker has."""
    devices: Mapped[int]
    """Slots of one worker that the run takes at once."""

    state: Mapped[State]
    desired: Mapped[Desired]
    attempt: Mapped[int]
    revision: Mapped[int]
    """Goes up with every change of the row: live pages ask for rows they have not seen."""

    resets: Mapped[int]
    """Goes up when measurements are taken back because training begins again before them: a live
    page must then forget what it shows."""

    created_at: Mapped[datetime]
    available_at: Mapped[datetime]
    """Not claimed before this moment: a retry backs off."""
    notified_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    desired_at: Mapped[datetime | None]
    """When somebody last asked for something: a pause, a cancel, to go on."""

    desired_by: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """Who asked, in their own words: there are no accounts yet."""

    worker_id: Mapped[int | None] = mapped_column(ForeignKey("workers.id"))
    lease_token: Mapped[str | None] = mapped_column(String(32))
    lease_expires_at: Mapped[datetime | None]
    last_heartbeat_at: Mapped[datetime | None]
    """When the worker that runs it last wrote: a renewal, a measurement."""

    crashes: Mapped[int]
    losses: Mapped[int]
    secured_step: Mapped[int] = mapped_column(BigInteger)
    """Batches that a snapshot has secured at most: more of them is new progress, which gives
    the run its whole budget of crashes and losses back."""

    epoch: Mapped[int]
    epochs: Mapped[int]
    batch: Mapped[int]
    batches: Mapped[int]
    images_per_s: Mapped[float | None]
    eta_s: Mapped[float | None]
    train_loss: Mapped[float | None]
    validation_loss: Mapped[float | None]
    validation_accuracy: Mapped[float | None]
    test_loss: Mapped[float | None]
    test_accuracy: Mapped[float | None]
    stop_reason: Mapped[str | None] = mapped_column(Text)
    """Why it ended before its last epoch, where it did."""
    weights_sha256: Mapped[str | None] = mapped_column(String(64))

    error_kind: Mapped[str | None] = mapped_column(String(KIND_LENGTH))
    error_message: Mapped[str | None] = mapped_column(Text)
    error_traceback: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint(_one_of("state", STATES), name="state_is_known"),
        CheckConstraint(_one_of("desired", DESIRED), name="desired_is_known"),
        CheckConstraint(
            "(state = 'running') = (lease_token IS NOT NULL) "
            "AND (state = 'running') = (lease_expires_at IS NOT NULL)",
            name="only_a_running_job_is_leased",
        ),
        CheckConstraint(
            "state <> 'running' OR (worker_id IS NOT NULL AND attempt > 0)",
            name="a_running_job_has_a_worker",
        ),
        CheckConstraint(
            "(state <> 'queued' OR desired = 'run') AND (state <> 'paused' OR desired = 'pause') "
            "AND (state <> 'cancelled' OR desired = 'cancel')",
            name="a_state_agrees_with_desired",
        ),
        CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name="an_ended_job_has_an_end",
        ),
        Index(None, "state", "queue", "priority", "id"),  # the claim
        Index(None, "state", "id"),  # a page of one state
        Index(None, "lease_expires_at"),  # the reaper
    )


class Attempt(Base):
    """One try at a job by one worker: who, where, when, and why it ended."""

    __tablename__ = "attempts"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    worker_id: Mapped[int] = mapped_column(ForeignKey("workers.id"))
    device: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    threads: Mapped[int | None]
    precision: Mapped[str | None] = mapped_column(String(10))
    micro_batch: Mapped[int | None]
    """Images in each part of a batch, once the device's memory was too small for what was asked."""
    first_step: Mapped[int | None] = mapped_column(BigInteger)
    """Batches that were done when its training began; 0: it began from nothing."""
    secured_step: Mapped[int | None] = mapped_column(BigInteger)
    """Batches in the newest snapshot that it has secured."""
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]
    reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint(f"outcome IS NULL OR {_one_of('outcome', OUTCOMES)}", name="outcome_known"),
        CheckConstraint(
            "(outcome IS NULL) = (finished_at IS NULL)", name="an_ended_attempt_has_an_end"
        ),
        # two attempts of one job never run at once
        Index(
            "uq_attempts_one_open_a_job",
            "job_id",
            unique=True,
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
    )


class Epoch(Base):
    """What was measured at the end of an epoch. Rates are of the epoch's training alone."""

    __tablename__ = "epochs"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    train_loss: Mapped[float]
    validation_loss: Mapped[float | None]
    validation_accuracy: Mapped[float | None]
    test_loss: Mapped[float]
    test_accuracy: Mapped[float]
    learning_rate: Mapped[float]
    gradient_norm: Mapped[float | None]
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    seconds: Mapped[float]
    images_per_s: Mapped[float]


class MetricSample(Base):
    """A reading of the training loss between epochs: the mean since the reading before."""

    __tablename__ = "metrics"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """Batches since the run began, over all epochs; the first is 1."""
    attempt: Mapped[int]
    epoch: Mapped[int]
    batch: Mapped[int]
    train_loss: Mapped[float]
    learning_rate: Mapped[float]
    images_per_s: Mapped[float]


class LogLine(Base):
    """A line of a run's log, as text."""

    __tablename__ = "log_lines"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """Counts the lines of one attempt from 1."""
    time: Mapped[datetime]
    level: Mapped[str] = mapped_column(String(10))
    text: Mapped[str] = mapped_column(Text)


class Snapshot(Base):
    """A place in a run from which training can go on exactly. The bytes are a blob of its own."""

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


class Evaluation(Base):
    """What a run's published weights do on the test set: confusion, calibration, mistakes."""

    __tablename__ = "evaluations"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int]
    content: Mapped[dict[str, Any]]
    """As `outputs.evaluation.Judgement` writes it; some hundred kilobytes at most."""


class Preview(Base):
    """Sixteen augmented images that a form asked to see. A worker draws them; they stay a day."""

    __tablename__ = "previews"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of what is asked for, so that asking again finds what was drawn."""
    request: Mapped[dict[str, Any]]
    """`dataset`, `augmentation` and `seed`."""
    asked_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]
    """When a worker began to draw it."""
    image: Mapped[bytes | None] = mapped_column(LargeBinary)
    """A PNG, once it is drawn."""
    error: Mapped[str | None] = mapped_column(Text)
    """Why it could not be drawn."""

    __table_args__ = (Index(None, "asked_at"),)


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
