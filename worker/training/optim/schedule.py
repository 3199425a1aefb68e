"""Learning-rate schedules, set before each step by the formula of `core.spec.rates`.

A schedule has no state, so a run that resumes from a snapshot has nothing to restore.
"""

from __future__ import annotations

import math

from core.spec.hyperparameters import Schedule
from core.spec.rates import Span, factor
from worker.training.optim.optimizers import Optimization


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
