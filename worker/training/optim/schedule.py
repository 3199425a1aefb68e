"""Learning-rate schedules: the factor of the learning rate as a function of the step.

A schedule has no state, so a run that resumes from a snapshot has nothing to restore.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.spec.hyperparameters import Constant, Cosine, OneCycle, Plateau, Schedule, Step
from worker.training.optim.optimizers import Optimization

# a one-cycle schedule begins at a 25th of its learning rate and ends at a 10,000th of that, as
# Smith and Topin's and torch's do
_FIRST = 1 / 25
_LAST = _FIRST / 1e4


@dataclass(frozen=True, slots=True)
class Span:
    """The length of a run that does not stop early."""

    steps: int
    """Steps in all."""
    batches: int
    """Steps in an epoch."""


def factor(choice: Schedule, span: Span, step: int, reductions: int = 0) -> float:
    """The factor that the learning rate is multiplied by for one step.

    One-cycle is that of Smith and Topin (2017), cosine that of Loshchilov and Hutter (2016) without
    restarts. All but one-cycle begin with a linear warm-up.

    Args:
        choice: the schedule.
        span: how long the run is.
        step: steps done before; 0 for the first.
        reductions: how often a plateau was found before.
    """
    warmup = choice.warmup * span.steps
    if isinstance(choice, OneCycle):
        return _one_cycle(choice, warmup, span.steps, step)
    if step < warmup:
        return (step + 1) / (math.ceil(warmup) + 1)
    match choice:
        case Constant():
            return 1.0
        case Step():
            return float(choice.factor ** (step // span.batches // choice.every))
        case Cosine():
            left = (step - warmup) / max(1.0, span.steps - warmup)
            return choice.floor + (1 - choice.floor) * (1 + math.cos(math.pi * left)) / 2
        case Plateau():
            return float(choice.factor**reductions)


class LearningRate:
    """The learning rate of a run, set before each step."""

    def __init__(self, choice: Schedule, span: Span, optimization: Optimization) -> None:
        self._choice = choice
        self._span = span
        self._optimization = optimization

    def set(self, step: int, reductions: int) -> float:
        """Set the learning rate of one step, and return it.

        Args:
            step: steps done before; 0 for the first.
            reductions: how often a plateau was found before.
        """
        self._optimization.set_lr_factor(factor(self._choice, self._span, step, reductions))
        return self._optimization.learning_rate


def _one_cycle(choice: OneCycle, warmup: float, steps: int, step: int) -> float:
    # the peak lies within the run also where it is a step or two long
    peak = max(0.0, warmup - 1)
    if step <= peak:
        return _between(choice, _FIRST, 1.0, step / peak if peak else 1.0)
    return _between(choice, 1.0, _LAST, (step - peak) / max(1.0, steps - 1 - peak))


def _between(choice: OneCycle, begin: float, end: float, done: float) -> float:
    if choice.shape == "linear":
        return begin + (end - begin) * done
    return end + (begin - end) * (1 + math.cos(math.pi * done)) / 2


class PlateauWatch:
    """Counts the epochs without a better loss."""

    def __init__(self, patience: int, best: float = math.inf, since: int = 0) -> None:
        self.patience = patience
        self.best = best
        """The lowest loss so far."""
        self.since = since
        """Epochs since then."""

    def see(self, loss: float) -> bool:
        """Count the loss of an epoch; return whether patience ran out, and count from 0 if so."""
        if loss < self.best:
            self.best, self.since = loss, 0
        else:
            self.since += 1
        if self.since < self.patience:
            return False
        self.since = 0
        return True
