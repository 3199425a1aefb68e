"""Optimizers, made from their part of the spec."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
        self._device_rates = _device_rates(self._groups()) if _are_capturable(optimizers) else None
        self._placed: list[float] = []

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step, or that of its first part where they differ."""
        return float(self.optimizers[0].param_groups[0]["lr"])

    def set_lr_factor(self, factor: float) -> None:
        """Set the learning rates of the next step to those of the spec times a factor."""
        for optimizer, rates in zip(self.optimizers, self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    @property
    def is_capturable(self) -> bool:
        """Whether a CUDA graph can hold `apply`: its kernels read the learning rates from the GPU.

        All steps of such optimizers do, captured or not, so that they round alike.
        """
        return self._device_rates is not None

    def place_rates(self) -> None:
        """Put the learning rates of the next step where it reads them."""
        rates = [group["lr"] for group in self._groups()]
        if self._device_rates is None or rates == self._placed:
            return
        for place, rate in zip(self._device_rates, rates, strict=True):
            place.fill_(rate)
        self._placed = rates

    def apply(self, scaler: torch.amp.GradScaler) -> None:
        """Change the weights by their gradients, at the learning rates that were placed.

        Args:
            scaler: of the losses; it skips a step whose gradients are not finite.
        """
        with self._rates_read_from_device():
            for optimizer in self.optimizers:
                scaler.step(optimizer)

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

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    @contextmanager
    def _rates_read_from_device(self) -> Iterator[None]:
        """While a step is taken; what a snapshot holds stays numbers."""
        groups = self._groups() if self._device_rates else []
        before = [dict(group) for group in groups]
        for group, rate in zip(groups, self._device_rates or (), strict=True):
            group["lr"] = rate
            if "capturable" in group:
                group["capturable"] = True
        try:
            yield
        finally:
            for group, values in zip(groups, before, strict=True):
                group.update(values)


def _are_capturable(optimizers: Sequence[torch.optim.Optimizer]) -> bool:
    """Whether a step of theirs is kernels alone; RMSprop and Muon compute on the host too."""
    return all(type(each) in _CAPTURABLE for each in optimizers) and all(
        weight.is_cuda
        for each in optimizers
        for group in each.param_groups
        for weight in group["params"]
    )


def _device_rates(groups: Sequence[dict[str, Any]]) -> list[Tensor]:
    return [torch.zeros((), device=group["params"][0].device) for group in groups]


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


_CAPTURABLE = (SGD, Adam, AdamW)

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
