"""The reports of a running trainer, one JSON line each.

The training code makes them, the supervisor carries them, the recorder writes them down.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    model_validator,
)

from core.messages import Message, as_json, from_json


def _message(value: Any) -> Message:
    if isinstance(value, Message):
        return value
    try:
        return from_json(value)
    except (KeyError, TypeError, AttributeError):
        raise ValueError("a message has a code and parameters") from None


Unfit = Literal["dataset", "device", "everything"]
"""What a worker cannot do: runs on a dataset, runs on its kind of device, or any."""

Reason = Annotated[Message, PlainValidator(_message), PlainSerializer(as_json)]
"""A message as a field of a report: `{"code": ..., "params": {...}}` in its JSON."""


class _Report(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Started(_Report):
    """Training begins, after `epoch` whole epochs and `step` batches done before."""

    kind: Literal["started"] = "started"
    device: str
    device_kind: Literal["cpu", "cuda"] = "cpu"
    threads: int
    shards: int | None = None
    """Shards of a batch, whose number decides the bytes of a run on a CPU; None: there are none,
    and the number of threads decides."""
    precision: str
    """What the network computes in: fp32, bf16 or fp16."""
    epochs: int
    batches: int
    """Batches in one epoch."""
    epoch: int = 0
    step: int = 0


class StepMetrics(_Report):
    """A metric sample within an epoch: the mean loss over the batches since the one before."""

    kind: Literal["step_metrics"] = "step_metrics"
    step: int
    epoch: int
    batch: int
    train_loss: float
    learning_rate: float
    images_per_s: float
    eta_s: float
    gradient_norm: float | None = None
    """As in `EpochEnd`, where it was measured at this batch."""


class StepMetricsBatch(_Report):
    """Many metric samples at once, in columns of one length: a value for each sample, in order.

    A run that reports every step of thousands a second would otherwise pay for a model a sample.
    """

    kind: Literal["step_metrics_batch"] = "step_metrics_batch"
    step: list[int] = Field(min_length=1)
    epoch: list[int]
    batch: list[int]
    train_loss: list[FiniteFloat]
    learning_rate: list[FiniteFloat]
    images_per_s: list[FiniteFloat]
    eta_s: float
    """Of the last sample, as is the norm."""
    gradient_norm: float | None = None

    @model_validator(mode="after")
    def _is_rectangular(self) -> Self:
        columns = (self.epoch, self.batch, self.train_loss, self.learning_rate, self.images_per_s)
        if any(len(column) != len(self.step) for column in columns):
            raise ValueError("the columns of a batch have one length")
        return self

    @property
    def last(self) -> StepMetrics:
        """The newest of the samples."""
        return StepMetrics(
            step=self.step[-1],
            epoch=self.epoch[-1],
            batch=self.batch[-1],
            train_loss=self.train_loss[-1],
            learning_rate=self.learning_rate[-1],
            images_per_s=self.images_per_s[-1],
            eta_s=self.eta_s,
            gradient_norm=self.gradient_norm,
        )


class EpochEnd(_Report):
    """The measurements at the end of an epoch."""

    kind: Literal["epoch_end"] = "epoch_end"
    epoch: int
    step: int
    batch: int
    train_loss: float
    """Mean over every image of the epoch, as it was while the weights changed."""
    validation_loss: float | None
    validation_accuracy: float | None
    """None where there is no validation split."""
    test_loss: float
    test_accuracy: float
    learning_rate: float
    gradient_norm: float | None
    """Euclidean length of the gradient of all weights at the last batch, before clipping;
    None where it is infinite, as may happen in fp16: that step was left out."""
    memory_bytes: int
    """The most that was taken so far: of the GPU's memory, or by the process on a CPU."""
    seconds: float
    """Seconds of training, without the evaluation."""
    images_per_s: float
    eta_s: float


class Saved(_Report):
    """A snapshot lies in the scratch folder: all that was reported before is in it."""

    kind: Literal["saved"] = "saved"
    epoch: int
    """Whole epochs done."""
    step: int
    """Batches done."""
    path: str


class Shrunk(_Report):
    """The device's memory was full: each batch is computed in smaller parts from here on."""

    kind: Literal["shrunk"] = "shrunk"
    micro_batch: int
    """Images in a part."""


def host_clock() -> float:
    """Seconds by a clock that all processes of this host share, and that nobody sets.

    Where there is such a clock it runs on while the host is suspended.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


Level = Literal["progress", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = get_args(Level)


class Line(_Report):
    """A line for the run's log."""

    kind: Literal["line"] = "line"
    level: Level = "info"
    """`progress`: how far an epoch is, which whoever shows the metrics need not repeat."""
    text: str
    written_at: float = Field(default_factory=host_clock)
    """When it was written, by the clock that all processes of a host share."""


class ResourceSample(_Report):
    """What a run takes of its device and its host; its supervisor reads it beside a sample.

    None: nobody could read it. See `core.database.models.ResourceSample` for the units.
    """

    kind: Literal["resource_sample"] = "resource_sample"
    step: int
    gpu_utilization: float | None = None
    gpu_memory_bytes: int | None = None
    gpu_power_w: float | None = None
    gpu_temperature_c: float | None = None
    cpu_cores: float | None = None
    memory_bytes: int | None = None
    gradient_norm: float | None = None
    read_at: float = Field(default_factory=host_clock)


class File(_Report):
    """A file that the trainer has written into its scratch folder, to be published."""

    format: str
    path: str
    filename: str


class Evaluated(_Report):
    """The test-set evaluation of the published weights, per class too."""

    kind: Literal["evaluated"] = "evaluated"
    content: dict[str, Any]
    """As `worker.training.outputs.evaluation.EvaluationResult` writes it."""


class Finished(_Report):
    """The run is done, and its files lie in the scratch folder."""

    kind: Literal["finished"] = "finished"
    epoch: int
    """The epoch that the published weights are of."""
    reason: Reason | None = None
    """Why the run ended before its last epoch, or None where it did not."""
    weights_sha256: str
    files: list[File]


class Failed(_Report):
    """The run cannot continue, and a new try would end the same way, here at least."""

    kind: Literal["failed"] = "failed"
    error_kind: str
    """What may be counted and decided by, such as `out_of_memory`, or an exception's name."""
    reason: Reason
    traceback: str | None = None
    unfit_for: Unfit | None = None
    """What the worker cannot do, where it is its fault; None: it is the run's own."""


class Stopped(_Report):
    """The trainer stopped because it was asked to."""

    kind: Literal["stopped"] = "stopped"


Report = (
    Started
    | StepMetrics
    | StepMetricsBatch
    | EpochEnd
    | Saved
    | Shrunk
    | Line
    | ResourceSample
    | Evaluated
    | Finished
    | Failed
    | Stopped
)

_ADAPTER: TypeAdapter[Report] = TypeAdapter(Annotated[Report, Field(discriminator="kind")])


def parse(line: bytes) -> Report:
    """Read one report from its JSON line."""
    return _ADAPTER.validate_json(line)
