"""Curves of a run in as many buckets as they are drawn with: samples, epochs, what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Double, and_, func, or_, select
from sqlalchemy.orm import Session

from core.database.models import Epoch, ResourceSample
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
    "memory_bytes",
    "seconds",
    "images_per_s",
)
"""What of an epoch can be a curve."""
READ = (
    "gpu_utilization",
    "gpu_memory_bytes",
    "gpu_power_w",
    "gpu_temperature_c",
    "cpu_cores",
    "memory_bytes",
    "gradient_norm",
)
"""What a resource sample can have."""
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
                summed.label(f"{column.key}_{number}")
                for column in columns
                # PostgreSQL's mean of whole numbers is a decimal, which is read as a float here
                for number, summed in enumerate(
                    (func.min(column), func.max(column), func.avg(column, type_=Double))
                )
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


def resources_curve(
    session: Session, job_id: int, extent: Extent, values: Sequence[str] = READ
) -> Curve:
    """A run's resource samples by their steps: some thousand at most, read one by one."""
    query = select(ResourceSample.step, *(getattr(ResourceSample, value) for value in values))
    query = query.where(ResourceSample.job_id == job_id).order_by(
        ResourceSample.attempt, ResourceSample.number
    )
    if extent.first is not None:
        query = query.where(ResourceSample.step >= extent.first)
    if extent.last is not None:
        query = query.where(ResourceSample.step <= extent.last)
    steps, *columns = zip(*rows, strict=True) if (rows := session.execute(query).all()) else [()]
    bounds = buckets.groups(len(steps), max(1, -(-len(steps) // extent.points)))
    return Curve(
        job_id,
        "step",
        [steps[end - 1] for _, end in bounds],
        [end - start for start, end in bounds],
        {
            value: _summed_up([column[start:end] for start, end in bounds])
            for value, column in zip(values, columns or [()] * len(values), strict=True)
        },
    )


def _summed_up(groups: Sequence[Numbers]) -> dict[str, Numbers]:
    """The statistics of each group, of what is not None in it."""
    found = [[value for value in group if value is not None] for group in groups]
    return {
        "min": [min(group, default=None) for group in found],
        "max": [max(group, default=None) for group in found],
        "last": [group[-1] if group else None for group in found],
        "mean": [sum(group) / len(group) if group else None for group in found],
    }


@dataclass(frozen=True, slots=True)
class EpochsOfRun:
    """Epochs of a run, a column each."""

    at: Sequence[int]
    seconds: Sequence[float]
    """How long it had trained at the end of each, its evaluations not counted."""
    values: Mapping[str, Numbers]


def epochs_of_runs(
    session: Session, lengths: Mapping[int, int], points: int, values: Sequence[str]
) -> dict[int, EpochsOfRun]:
    """The epochs of several runs, in one question however many there are.

    Args:
        session: a transaction.
        lengths: the runs, and how many epochs each has.
        points: of a run with more epochs than these, one in so many is taken that fewer are left.
        values: some of `MEASURED`.
    """
    every = {job_id: -(-length // points) or 1 for job_id, length in lengths.items()}
    trained = func.sum(Epoch.seconds).over(partition_by=Epoch.job_id, order_by=Epoch.epoch)
    columns = [getattr(Epoch, value) for value in values]
    numbered = (
        select(Epoch.job_id, Epoch.epoch, trained.label("trained"), *columns)
        .where(Epoch.job_id.in_(lengths))
        .subquery()
    )
    query = select(numbered).order_by(numbered.c.job_id, numbered.c.epoch)
    if max(every.values(), default=1) > 1:
        taken = [
            and_(numbered.c.job_id == job_id, numbered.c.epoch % step == lengths[job_id] % step)
            for job_id, step in every.items()
        ]
        query = query.where(or_(*taken))
    rows: dict[int, list[Any]] = {job_id: [] for job_id in lengths}
    for row in session.execute(query):
        rows[row.job_id].append(row)
    return {job_id: _columns(found, values) for job_id, found in rows.items()}


def _columns(rows: Sequence[Any], values: Sequence[str]) -> EpochsOfRun:
    _, at, seconds, *measured = zip(*rows, strict=True) if rows else [()] * (3 + len(values))
    return EpochsOfRun(at, seconds, dict(zip(values, measured, strict=True)))
