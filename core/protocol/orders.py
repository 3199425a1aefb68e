"""What a worker tells: its zygote, to fork; a trainer, what to train, and later perhaps to stop."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.datasets.builtin import DatasetName
from core.spec.hyperparameters import Augmentation
from core.spec.spec import TrainingSpec

DeviceKind = Literal["cpu", "cuda"]


class ForkRequest(BaseModel):
    """What a trainer must know before it has an order.

    Its message carries five descriptors: the trainer's socket, the file for what it prints, the
    read end of its lifeline, the write end of the pipe for its exit status, and the memory of its
    pulse.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    threads: int
    device: DeviceKind
    data: Path
    environment: dict[str, str]


class Forked(BaseModel):
    """The zygote's answer: a new process. Its message carries the process's pidfd."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    process_id: int


class ForkFailed(BaseModel):
    """The zygote's answer where it could not fork. It continues and may be asked again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: str
    """In the words of the operating system."""


READY = b"ready"
"""The zygote's first message."""

LARGEST_MESSAGE = 1 << 16

DUMP_STACKS = signal.SIGUSR2
"""The signal at which a trainer prints where each of its threads is, also while it hangs."""


class Order(BaseModel):
    """Everything that a trainer knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: TrainingSpec
    data: Path
    scratch: Path
    device: DeviceKind
    precision: Literal["fp32", "bf16", "fp16"] | None = None
    """What the run began in, where its spec leaves that to the device; None: it begins now."""
    threads: int
    resume_from: Path | None = None
    """The file of a snapshot, or None to begin from scratch."""
    initial_weights: Path | None = None
    """From scratch: the `.pt` of a run whose weights it begins with, or None for random ones."""
    initial_sha256: str | None = None
    """SHA-256 of that file, also where it resumes."""
    report_every_step: bool = False
    """Whether each batch is a metric sample."""

    ends_at: float | None = None
    """When the process ends by itself unless its lease was renewed meanwhile, by `elapsed`; None:
    never."""

    rank: int = 0
    """Which of the run's processes this is. Only rank 0 measures, reports, saves and is stopped;
    the others may say that they failed."""
    world_size: int = 1
    """How many processes the run has, each on a device of its own."""
    rendezvous: Path | None = None
    """Where they find each other: a file that none of them has made yet."""


Stop = Literal["stop", "save"]
"""How a trainer is asked to stop: at once, or after it has written a snapshot."""

STOPS: dict[bytes, Stop] = {b"stop\n": "stop", b"save\n": "save"}
"""The lines that ask for it."""


LEASE = b"lease "
"""How a line begins that says until when the process may compute: by `elapsed`."""


def lease_line(ends_at: float) -> bytes:
    """The line that says so."""
    return LEASE + b"%.3f\n" % ends_at


class PreviewOrder(BaseModel):
    """What a trainer knows that draws a preview instead of training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: DatasetName
    augmentation: Augmentation
    seed: int
    data: Path
    picture: Path
    """Where the PNG is to appear, whole."""


class DeriveOrder(BaseModel):
    """What a trainer knows that computes a file for a page instead of training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["test_images", "network", "insight"]
    dataset: DatasetName
    data: Path
    weights: Literal["published", "snapshot"] | None
    """What `source` is; None: the file is made of the dataset alone."""
    source: Path | None
    target: Path
    """Where the file is to appear, whole."""
