"""What a worker tells: its zygote, to fork; a trainer, what to train, and later perhaps to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.spec import TrainingSpec

DeviceKind = Literal["cpu", "cuda"]


class ForkRequest(BaseModel):
    """What a trainer must know before it has an order.

    Its message carries four descriptors: the trainer's socket, the file for what it prints, the
    read end of its lifeline, and the write end of the pipe for its exit status.
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


READY = b"ready"
"""The zygote's first message."""

LARGEST_MESSAGE = 1 << 16


class Order(BaseModel):
    """Everything that a trainer knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: TrainingSpec
    data: Path
    scratch: Path
    device: DeviceKind
    threads: int
    resume_from: Path | None = None
    """The file of a resume point, or None to begin from nothing."""


Stop = Literal["stop", "save"]
"""How a trainer is asked to stop: at once, or after it has written a resume point."""

STOPS: dict[bytes, Stop] = {b"stop\n": "stop", b"save\n": "save"}
"""The lines that ask for it."""
