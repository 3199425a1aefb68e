"""The curves, and the accuracies, that an advice shows as its evidence."""

from __future__ import annotations

from collections.abc import Sequence

from core import statistics
from core.coach.advice import Bar, Curves, Series
from core.coach.run import Run

TRAIN_LOSS = "train_loss"
LEARNING_RATE = "learning_rate"


def of_epochs(
    run: Run,
    first: int,
    last: int | None = None,
    *,
    names: Sequence[str] = (),
    level: float | None = None,
    with_rate: bool = False,
) -> Curves:
    """Curves of a run's losses by epoch.

    Args:
        run: whose.
        first: the place of the epoch where the part begins that shows it, from 0.
        last: the place where it ends; None: with the last epoch.
        names: which columns; none: the train loss, and that of images it does not learn from.
        level: a loss to compare with.
        with_rate: whether the learning rate is a part of the evidence.
    """
    at = run.epochs.epoch
    return Curves(
        by="epoch",
        series=[_column(run, name) for name in names or (TRAIN_LOSS, run.watched)],
        first=at[first],
        last=at[-1 if last is None else last],
        level=level,
        rate=_column(run, LEARNING_RATE) if with_rate else None,
    )


def of_samples(run: Run, level: float | None = None) -> Curves:
    """The curve of a run's train loss by step; all of it shows it."""
    samples = run.samples
    series = Series(TRAIN_LOSS, samples.step, samples.train_loss)
    return Curves("step", [series], samples.step[0], samples.step[-1], level)


def bar(job_id: int, epoch: int | None, accuracy: float, count: int) -> Bar:
    """An accuracy on so many images, and where its true value lies."""
    interval = statistics.share_interval(round(accuracy * count), count)
    return Bar(job_id, epoch, accuracy, interval.low, interval.high)


def _column(run: Run, name: str) -> Series:
    return Series(name, run.epochs.epoch, [each or 0.0 for each in getattr(run.epochs, name)])
