"""Optimizers and learning-rate schedules, made from their parts of the spec."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from core import spec


def build_optimizer(
    choice: spec.SGD | spec.Adam | spec.AdamW, parameters: Iterable[nn.Parameter]
) -> Optimizer:
    """Make the optimizer; `fused` does a whole step in one kernel, on the CPU as on a GPU."""
    settings = choice.model_dump(exclude={"kind", "learning_rate"})
    kinds: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
    return kinds[choice.kind](parameters, lr=choice.learning_rate, fused=True, **settings)  # type: ignore[call-arg]  # each kind takes these


def build_schedule(
    choice: spec.Constant | spec.OneCycle, optimizer: Optimizer, steps: int
) -> LRScheduler:
    """Make the schedule, to be moved on after each of `steps` batches."""
    if isinstance(choice, spec.OneCycle):
        return OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=steps + 1,  # the schedule is moved on once more after the last batch
            pct_start=choice.warmup,
            cycle_momentum=False,  # the spec's momentum is what it says
        )
    return LambdaLR(optimizer, lambda _step: 1.0)
