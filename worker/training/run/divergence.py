"""Divergence: losses, scores or weights that became NaN or infinite end a run."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.errors import TrainyardError
from worker.training.run import log_messages
from worker.training.run.setup import Components, RunData
from worker.training.run.state import RunState


class Diverged(TrainyardError):
    """The loss became NaN or infinite: training cannot continue."""


class DivergenceCheck:
    """Refuses what is not finite, and names the batch and its learning rate."""

    def __init__(self, data: RunData, components: Components, state: RunState) -> None:
        self._data = data
        self._components = components
        self._state = state

    def losses(self, losses: Tensor, first: int) -> None:
        """Refuse losses that are not finite.

        Args:
            losses: (batches,).
            first: batches of the epoch before the first of them.

        Raises:
            Diverged: one of them is not.
        """
        bad = torch.nonzero(~torch.isfinite(losses))
        if len(bad):
            raise self._diverged(first + int(bad[0]) + 1)

    def evaluation(self, *losses: float | None) -> None:
        """Refuse losses of an evaluation after the last batch that are not finite.

        Raises:
            Diverged: one of them is not.
        """
        if not all(math.isfinite(loss) for loss in losses if loss is not None):
            raise self._diverged(self._state.progress.batch)

    def weights(self) -> None:
        """Refuse weights that are not finite.

        Raises:
            Diverged: one of them is not.
        """
        weights = self._components.network.parameters()
        if not all(bool(torch.isfinite(each).all()) for each in weights):
            raise self._diverged(self._state.progress.batch)

    def _diverged(self, batch: int) -> Diverged:
        progress = self._state.progress
        step = progress.epochs * self._data.span.batches + max(0, batch - 1)
        rate = self._components.learning_rate.set(step, progress.reductions)
        return Diverged(
            log_messages.diverged(progress.epochs + 1, batch, rate, self._state.saved_step)
        )
