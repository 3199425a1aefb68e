"""Curves of a run in as many buckets as they are drawn with: its metric samples, its epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database.models import Epoch
from core.metrics import buckets, curves
from core.metrics.samples import VALUES

MOST_POINTS = 2000
"""Buckets in a curve."""

METRICS = VALUES
"""What a metric sample measures."""
MEASURED = (
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
    "learning_rate",
    "gradient_norm",
    "images_per_s",
)
"""What of an epoch can be a curve."""
STATISTICS = buckets.STATISTICS

Numbers = Sequence[float | None]

_LARGEST_EPOCH = 2**31 - 1
"""That the column can hold: PostgreSQL compares with no larger number."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Buckets of samples or of epochs that follow each other."""

    job_id: int
    by: Literal["step", "epoch"]
    at: Sequence[int]
    """The step, or the epoch, of the last in each bucket."""
    count: Sequence[int]
    """How many are in each."""
    values: Mapping[str, Mapping[str, Numbers]]
    """For each value its minimum, maximum, last and mean in each bucket."""


@dataclass(frozen=True, slots=True)
class Extent:
    """From where to where a curve goes, both included, and in how many buckets at most."""

    points: int
    first: int | None = None
    last: int | None = None


def metrics_curve(
    session: Session, job_id: int, extent: Extent, values: Sequence[str] = METRICS
) -> Curve:
    """A run's metric samples by their steps. Costs the same however many there are."""
    found = curves.curve(session, job_id, extent.points, extent.first, extent.last, values)
    statistics = {
        value: {name: found.column(value, name) for name in STATISTICS} for value in values
    }
    return Curve(job_id, "step", found.step, found.count, statistics)


def epochs_curve(
    session: Session, job_id: int, extent: Extent, values: Sequence[str] = MEASURED
) -> Curve:
    """A run's epochs by their numbers, summed up by the database."""
    inside = [Epoch.job_id == job_id]
    if extent.first is not None:
        inside.append(Epoch.epoch >= min(extent.first, _LARGEST_EPOCH))
    if extent.last is not None:
        inside.append(Epoch.epoch <= min(extent.last, _LARGEST_EPOCH))
    bounds = select(func.min(Epoch.epoch), func.max(Epoch.epoch)).where(*inside)
    first, last = session.execute(bounds).one()
    width = 1 if first is None else -(-(last - first + 1) // extent.points)
    columns = [getattr(Epoch, value) for value in values]
    summed_up = (
        select(
            func.max(Epoch.epoch).label("at"),
            func.count().label("count"),
            *(
                getattr(func, function)(column).label(f"{column.key}_{function}")
                for column in columns
                for function in ("min", "max", "avg")
            ),
        )
        .where(*inside)
        .group_by((Epoch.epoch - (first or 0)) // width)
        .subquery()
    )
    query = select(summed_up, *columns).join(Epoch, Epoch.epoch == summed_up.c.at)
    rows = session.execute(query.where(Epoch.job_id == job_id).order_by(summed_up.c.at)).all()
    at, count, *found = zip(*rows, strict=True) if rows else [()] * (2 + 4 * len(values))
    lasts = found[3 * len(values) :]
    statistics = {
        value: dict(
            zip(("min", "max", "mean"), found[3 * place : 3 * place + 3], strict=True),
            last=lasts[place],
        )
        for place, value in enumerate(values)
    }
    return Curve(job_id, "epoch", at, count, statistics)


def training_seconds(session: Session, job_id: int, epochs: Sequence[int]) -> list[float]:
    """How long a run had trained, without its evaluations, at the end of each of some epochs."""
    trained = func.sum(Epoch.seconds).over(order_by=Epoch.epoch)
    summed_up = select(Epoch.epoch, trained).where(Epoch.job_id == job_id)
    by_epoch = {epoch: total for epoch, total in session.execute(summed_up)}  # noqa: C416
    return [round(by_epoch[epoch], 3) for epoch in epochs]
