"""What a run has reported: epochs, metric samples, log lines, attempts, an evaluation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.database.models import Attempt, Evaluation
from core.messages import as_json
from webui.api.shapes.base import JSON, OpenShape, Shape, Timestamp


class Epoch(Shape):
    """The measurements of an epoch."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float
    test_accuracy: float
    learning_rate: float
    gradient_norm: float | None
    memory_bytes: int | None
    seconds: float
    images_per_s: float


class MetricSample(Shape):
    """A sample of the training loss within an epoch."""

    step: int
    epoch: int
    batch: int
    train_loss: float
    learning_rate: float
    images_per_s: float


class ResourceSample(Shape):
    """What a run took of its device and its host at a moment; null: nobody could read it."""

    attempt: int
    number: int
    step: int
    time: Timestamp
    gpu_utilization: Annotated[float | None, Field(description="From 0 to 1.")]
    gpu_memory_bytes: int | None
    gpu_power_w: float | None
    gpu_temperature_c: float | None
    cpu_cores: Annotated[float | None, Field(description="Cores that its processes kept busy.")]
    memory_bytes: int | None
    gradient_norm: float | None


class LogLine(Shape):
    """A line of the log."""

    attempt: int
    number: int
    time: Timestamp
    level: str
    text: str


class AttemptShape(Shape):
    """One try at a job."""

    number: int
    worker: str
    device: str | None
    threads: int | None
    precision: str | None
    micro_batch: int | None
    first_step: int | None
    secured_step: int | None
    started_at: Timestamp
    finished_at: Timestamp | None
    outcome: str | None
    code: str | None
    params: JSON | None
    reason: Annotated[str | None, Field(description="Why it ended, as an English sentence.")]

    @classmethod
    def of(cls, row: tuple[Attempt, str]) -> AttemptShape:
        """The shape of an attempt and its worker's name."""
        attempt, worker = row
        why = attempt.reason
        coded = as_json(why) if why else {"code": None, "params": None}
        return cls(
            **{name: getattr(attempt, name) for name in _OF_AN_ATTEMPT},
            worker=worker,
            **coded,
            reason=why.text if why else None,
        )


_OF_AN_ATTEMPT = [
    name for name in AttemptShape.model_fields if name not in ("worker", "code", "params", "reason")
]


class ClassScore(OpenShape):
    """Precision, recall and F1 of a class."""

    name: str
    support: int
    precision: float
    recall: float
    f1: float


class Bin(OpenShape):
    """The predictions of about the same confidence."""

    lower: float
    upper: float
    count: int
    confidence: float | None
    accuracy: float | None


class Calibration(OpenShape):
    """How well confidence agrees with accuracy."""

    expected_calibration_error: float
    bins: list[Bin]


class Mistake(OpenShape):
    """A misclassified image."""

    index: int
    label: int
    predicted: int
    confidence: float
    image: Annotated[str, Field(description="A PNG in Base64.")]


class EvaluationShape(OpenShape):
    """What the published weights do on the test set."""

    attempt: int
    count: int
    accuracy: float
    loss: float
    confusion: list[list[int]]
    classes: list[ClassScore]
    calibration: Calibration
    mistakes: list[Mistake]

    @classmethod
    def of(cls, row: Evaluation) -> EvaluationShape:
        """The shape of an evaluation, which the worker wrote down in these fields."""
        return cls(attempt=row.attempt, **row.content)
