"""Decisions after an epoch: whether it was the best, and whether the learning rate falls.

Why a run stops early is decided in `stopping`.
"""

from __future__ import annotations

from core.spec.hyperparameters import Plateau
from worker.training.optim.schedule import PlateauWatch
from worker.training.run.snapshot_file import Progress


def is_best(progress: Progress) -> bool:
    """Whether the last epoch has the lowest validation loss so far."""
    loss = progress.last.validation_loss
    if loss is None:
        return False
    return progress.best is None or loss < (progress.best.validation_loss or 0.0)


def reaches_plateau(choice: Plateau, progress: Progress) -> bool:
    """Count the last epoch; whether patience ran out with it, so that the learning rate falls.

    The loss is that of the validation split, or, where there is none, of training.
    """
    last = progress.last
    watch = PlateauWatch(choice.patience, progress.plateau_best, progress.plateau_since)
    reached = watch.see(last.train_loss if last.validation_loss is None else last.validation_loss)
    progress.plateau_best, progress.plateau_since = watch.best, watch.since
    return reached
