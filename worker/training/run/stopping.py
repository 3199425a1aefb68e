"""When a run ends before its last epoch.

It is decided by the validation split, never by the test set, so that the test accuracy of what is
published remains an honest one.
"""

from __future__ import annotations

from core.messages import Message, message
from core.spec.spec import TrainingSpec
from worker.training.run.snapshot_file import Progress


def why_stop(spec: TrainingSpec, progress: Progress, *, time_is_up: bool) -> Message | None:
    """Why the run ends after the epoch that was just measured, or None where it continues.

    Args:
        spec: of the run.
        progress: with that epoch in `last`, and the best one so far in `best`.
        time_is_up: whether the run has taken its time.
    """
    stopping, last, best = spec.stopping, progress.last, progress.best
    target, accuracy = stopping.target_accuracy, last.validation_accuracy
    if target is not None and accuracy is not None and accuracy >= target:
        return message("stop.target_reached", accuracy=accuracy)
    patience = stopping.patience
    if patience is not None and best is not None and last.epoch - best.epoch >= patience:
        return message("stop.no_improvement", epochs=patience)
    if time_is_up and stopping.time_limit_s is not None:
        return message("stop.time_limit", limit_s=stopping.time_limit_s)
    return None
