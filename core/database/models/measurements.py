"""What runs report: epochs, metric samples, log lines, evaluations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String, Text
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


class MetricSample(Base):
    """A metric sample between epochs: the mean of the training loss since the sample before."""

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


class Evaluation(Base):
    """What a run's published weights do on the test set: confusion, calibration, mistakes."""

    __tablename__ = "evaluations"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int]
    content: Mapped[dict[str, Any]]
    """As `outputs.evaluation.EvaluationResult` writes it; some hundred kilobytes at most."""
