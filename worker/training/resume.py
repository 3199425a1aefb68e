"""Resume points: a file from which a run goes on as if it had never stopped.

It holds everything that the next batch depends on: weights, optimizer, schedule, random states,
the place in the run, and the sums of the epoch that is under way. The order of the images is a
function of seed and epoch, so the place in it is a number. On a CPU the bytes of a run depend on
the number of threads too, so that is kept, and a resumed run computes with as many.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from core.errors import TrainyardError
from core.spec import TrainingSpec

FORMAT_VERSION = 1


class Unusable(TrainyardError):
    """A resume point that this version, or this run, cannot go on from."""


@dataclass(slots=True)
class Place:
    """How far a run has come, and the sums of the epoch that it is in."""

    epochs: int = 0
    """Whole epochs done, their evaluation included."""
    batch: int = 0
    """Batches done of the next one."""
    step: int = 0
    """Batches done in all."""
    images: int = 0
    """Images seen in this epoch."""
    loss_sum: float = 0.0
    """Sum of the loss over these images."""
    reported_images: int = 0
    reported_loss_sum: float = 0.0
    """The same two at the last reading."""
    seconds: float = 0.0
    """Seconds trained in this epoch."""
    learning_rate: float = 0.0
    test_loss: float = 0.0
    test_accuracy: float = 0.0
    """The measurements of the last whole epoch."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What of a run changes from batch to batch."""

    network: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    device: torch.device


def write(path: Path, spec: TrainingSpec, parts: Parts, place: Place) -> None:
    """Write a resume point. It appears at `path` whole, or not at all.

    Raises:
        OSError: the disk is full, or not writable; nothing is left of it.
    """
    scratch = path.with_suffix(".part")
    try:
        with scratch.open("wb") as file:
            torch.save(_contents(spec, parts, place), file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except RuntimeError as error:  # how torch reports a write that failed
        raise OSError(str(error)) from error
    finally:
        scratch.unlink(missing_ok=True)


def _contents(spec: TrainingSpec, parts: Parts, place: Place) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        # two equal runs write equal points; each must be a blob of its own, to be deleted alone
        "name": secrets.token_hex(16),
        "spec": spec.model_dump(mode="json"),
        "threads": torch.get_num_threads(),
        "place": asdict(place),
        "network": parts.network.state_dict(),
        "optimizer": parts.optimizer.state_dict(),
        "schedule": parts.schedule.state_dict(),
        "random": torch.get_rng_state(),
        "device_random": torch.cuda.get_rng_state(parts.device)
        if parts.device.type == "cuda"
        else None,
    }


class Point:
    """A resume point, read from its file."""

    def __init__(self, path: Path, spec: TrainingSpec) -> None:
        """Read it.

        Raises:
            Unusable: it was written by another version, or for another spec.
        """
        self._contents = torch.load(path, map_location="cpu", weights_only=True)
        if self._contents.get("format_version") != FORMAT_VERSION:
            raise Unusable(
                "The resume point was written by another version of Trainyard. Retry from nothing."
            )
        if self._contents["spec"] != spec.model_dump(mode="json"):
            raise Unusable("The resume point is of another run. Retry from nothing.")
        self.place = Place(**self._contents["place"])
        self.threads: int = self._contents["threads"]

    def restore(self, parts: Parts) -> None:
        """Put network, optimizer, schedule and random states back to where they were."""
        parts.network.load_state_dict(self._contents["network"])
        parts.optimizer.load_state_dict(self._contents["optimizer"])
        parts.schedule.load_state_dict(self._contents["schedule"])
        torch.set_rng_state(self._contents["random"])
        if self._contents["device_random"] is not None and parts.device.type == "cuda":
            torch.cuda.set_rng_state(self._contents["device_random"], parts.device)
