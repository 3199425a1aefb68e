"""Optimizers, made from their part of the spec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, RMSprop

from core.spec import hyperparameters


class Optimization:
    """The optimizers of a network: one, or several with some of its weights each."""

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self.optimizers = optimizers
        self._rates = [[group["lr"] for group in each.param_groups] for each in optimizers]

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step, or that of its first part where they differ."""
        return float(self.optimizers[0].param_groups[0]["lr"])

    def set_lr_factor(self, factor: float) -> None:
        """Set the learning rates of the next step to those of the spec times a factor."""
        for optimizer, rates in zip(self.optimizers, self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def zero_grad(self) -> None:
        """Discard the gradients of all weights."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """The state of every optimizer, in order."""
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_state_dict(self, states: Sequence[dict[str, Any]]) -> None:
        """Restore the states that `state_dict` returned."""
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)


def build_optimization(choice: hyperparameters.Optimizer, network: nn.Module) -> Optimization:
    """Build the optimizers of a network that is on its device, in its memory layout already."""
    if isinstance(choice, hyperparameters.Muon):
        return Optimization(_muon(choice, network))
    return Optimization([_KINDS[choice.kind](choice, list(network.parameters()))])


def _fused(kind: type[torch.optim.Optimizer]) -> Callable[[Any, Any], torch.optim.Optimizer]:
    """`fused` does a whole step in one kernel, on the CPU as on a GPU."""

    def build(choice: hyperparameters.Section, parameters: Any) -> torch.optim.Optimizer:
        settings = choice.model_dump(exclude={"kind", "learning_rate"})
        return kind(parameters, lr=choice.learning_rate, fused=True, **settings)  # type: ignore[attr-defined,call-arg]  # each kind takes these

    return build


def _rmsprop(choice: hyperparameters.RMSprop, parameters: Any) -> torch.optim.Optimizer:
    return RMSprop(
        parameters,
        lr=choice.learning_rate,
        momentum=choice.momentum,
        alpha=choice.alpha,
        weight_decay=choice.weight_decay,
        foreach=True,
    )


_KINDS: dict[str, Callable[[Any, Any], torch.optim.Optimizer]] = {
    "sgd": _fused(SGD),
    "adam": _fused(Adam),
    "adamw": _fused(AdamW),
    "rmsprop": _rmsprop,
}


class _Muon(torch.optim.Muon):
    """Muon (Jordan and others, 2024) for convolutions too; torch's takes matrices only.

    A kernel (out, in, height, width) is viewed as the matrix (out, in * height * width); in which
    order its columns lie makes no difference to an orthogonal step.
    """

    def __init__(self, weights: Sequence[nn.Parameter], **settings: Any) -> None:
        self._weights = weights
        # views, or a step would change copies
        self._matrices = [nn.Parameter(_turned(w.detach(), w).view(len(w), -1)) for w in weights]
        super().__init__(self._matrices, **settings)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Discard the gradients of the weights, and of the matrices that they are viewed as."""
        super().zero_grad(set_to_none)
        for weight in self._weights:
            weight.grad = None

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take a step."""
        for weight, matrix in zip(self._weights, self._matrices, strict=True):
            gradient = weight.grad
            matrix.grad = None if gradient is None else _turned(gradient, weight).flatten(1)
        super().step(closure)  # type: ignore[no-untyped-call]


def _turned(tensor: Tensor, weight: Tensor) -> Tensor:
    """A weight, or its gradient, with its dimensions in the order of the weight's memory."""
    if weight.dim() == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1)
    return tensor


def _muon(choice: hyperparameters.Muon, network: nn.Module) -> list[torch.optim.Optimizer]:
    parameters = list(network.parameters())
    matrices = [each for each in parameters if each.dim() >= 2]
    hidden = matrices[:-1]
    ours = {id(each) for each in hidden}
    others = [each for each in parameters if id(each) not in ours]
    rest = AdamW(others, lr=choice.adamw_learning_rate, weight_decay=0.0, fused=True)
    if not hidden:
        return [rest]
    return [
        _Muon(
            hidden,
            lr=choice.learning_rate,
            momentum=choice.momentum,
            nesterov=choice.momentum > 0,
            weight_decay=choice.weight_decay,
        ),
        rest,
    ]
