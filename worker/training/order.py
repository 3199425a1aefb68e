"""What a supervisor tells a trainer: one order at the start, and later perhaps to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.spec import TrainingSpec


class Order(BaseModel):
    """Everything that a trainer knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: TrainingSpec
    data: Path
    scratch: Path
    device: Literal["cpu", "cuda"]
    threads: int


STOP = b"stop\n"
