"""An exponential moving average of the weights, which often does better than the last ones."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of a network's weights, held in a copy of the network."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Start with the weights as they are.

        Args:
            network: whose weights are averaged.
            decay: the share of the average that each step keeps; less in the first steps, so that
                the first weights, which are random, do not stay in it (as in TensorFlow's
                `ExponentialMovingAverage` with `num_updates`).
        """
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._decay = decay
        pairs = list(zip(_values(self.network), _values(network), strict=True))
        # batch norm counts its batches in a whole number
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def follow(self, steps: int) -> None:
        """Update the average after a step.

        Args:
            steps: steps done, this one included.
        """
        decay = min(self._decay, (1 + steps) / (10 + steps))
        mine, theirs = zip(*self._averaged, strict=True)
        torch._foreach_lerp_(list(mine), list(theirs), 1 - decay)  # as torch's own averaging does
        for copied, original in self._copied:
            copied.copy_(original)

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights."""
        return self.network.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the weights that `state_dict` returned."""
        self.network.load_state_dict(state)


def _values(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
