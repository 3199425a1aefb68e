"""What runs report: epochs, metric samples, log lines, evaluations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.database.types import Base


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


class MetricSegment(Base):
    """Consecutive metric samples of one attempt, in columns: a row a sample would be too many.

    The newest ones of an attempt are small, and grow with each flush. When 1,024 samples have
    come, they are put together into one that stays.
    """

    __tablename__ = "metric_segments"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    first_step: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    last_step: Mapped[int] = mapped_column(BigInteger)
    attempt: Mapped[int]
    start: Mapped[int] = mapped_column(BigInteger)
    """Samples of the job before this segment."""
    count: Mapped[int]
    data: Mapped[bytes]
    """As `core.metrics.samples.Samples.pack` writes it."""

    __table_args__ = (Index(None, "job_id", "start"),)


class MetricBuckets(Base):
    """Consecutive metric samples summed up, at most 64 buckets of one size a row.

    A bucket is written when all its samples are: what came after the last whole one is in the
    buckets of the next smaller size, and in the segments.
    """

    __tablename__ = "metric_buckets"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    size: Mapped[int] = mapped_column(primary_key=True)
    """Samples in each bucket."""
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """Samples of the job before the first of these buckets."""
    data: Mapped[bytes]
    """As `core.metrics.buckets.Buckets.pack` writes it."""


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


class ResourceSample(Base):
    """What a run took of its device and its host at a moment, beside a metric sample.

    Few enough for a row each: they are further apart the longer an attempt lasts. What nobody could
    read is None.
    """

    __tablename__ = "resource_samples"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """Counts those of one attempt from 1."""
    step: Mapped[int] = mapped_column(BigInteger)
    """Of the metric sample that it came with."""
    time: Mapped[datetime]
    gpu_utilization: Mapped[float | None]
    """From 0 to 1; the mean of the GPUs of the run."""
    gpu_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Of all its GPUs, by whatever runs on them."""
    gpu_power_w: Mapped[float | None]
    gpu_temperature_c: Mapped[float | None]
    """Of the warmest."""
    cpu_cores: Mapped[float | None]
    """How many cores the processes of the run kept busy since the sample before."""
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Of the host, resident, by the processes of the run."""
    gradient_norm: Mapped[float | None]
    """The newest since the sample before, where one was measured."""


class Evaluation(Base):
    """What a run's published weights do on the test set: confusion, calibration, mistakes."""

    __tablename__ = "evaluations"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int]
    content: Mapped[dict[str, Any]]
    """As `outputs.evaluation.EvaluationResult` writes it; some hundred kilobytes at most."""
