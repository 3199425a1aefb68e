"""When a run ends before its last epoch.

It is decided by the validation split, never by the test set, so that the test accuracy of what is
published remains an honest one.
"""

from __future__ import annotations

from core.spec.spec import TrainingSpec
from worker.training.run.snapshot_file import Progress


def why_stop(spec: TrainingSpec, progress: Progress, *, time_is_up: bool) -> str | None:
    """Why the run ends after the epoch that was just measured, or None where it goes on.

    Args:
        spec: of the run.
        progress: with that epoch in `last`, and the best one so far in `best`.
        time_is_up: whether the run has taken its time.
    """
    stopping, last, best = spec.stopping, progress.last, progress.best
    target, accuracy = stopping.target_accuracy, last.validation_accuracy
    if target is not None and accuracy is not None and accuracy >= target:
        return (
            f"Ended after epoch {last.epoch}: the validation accuracy of {accuracy:.2%} has "
            f"reached the target of {target:.2%}."
        )
    patience = stopping.patience
    if patience is not None and best is not None and last.epoch - best.epoch >= patience:
        return (
            f"Ended early after epoch {last.epoch}: the validation loss of epoch {best.epoch} was "
            f"not bettered in {patience} epochs."
        )
    if time_is_up and stopping.time_limit_s is not None:
        return f"Ended in epoch {last.epoch}: its {stopping.time_limit_s:g} s were up."
    return None
