"""The state of a run besides its components: how far it is, and what it remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from worker.training.outputs.evaluation import Room
from worker.training.run.snapshot_file import Progress


@dataclass(slots=True)
class RunState:
    """What changes from batch to batch."""

    losses: Tensor
    """float32 (batches of an epoch,), on the device: the mean loss of each batch done."""
    progress: Progress = field(default_factory=Progress)
    gradient_norm: Tensor | None = None
    """Of the last batch, where it was measured; on the device."""
    best_weights: dict[str, Tensor] | None = None
    """The weights of the best epoch, where they are to be published."""
    test_scores: tuple[int, Tensor] | None = None
    """An epoch, and the network's scores of the test set after it."""
    room: Room = field(default_factory=Room)
    """For images to be evaluated: what has fitted is not found out again at each epoch."""
    saved_step: int | None = None
    """Batches done at the last snapshot."""

    @classmethod
    def initial(cls, batches: int, device: torch.device) -> RunState:
        """The state before the first batch, of so many in an epoch."""
        return cls(torch.zeros(batches, device=device))
