"""The train loss of many runs as small curves, in one question: the list draws one in each row."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import CompoundSelect, exists, literal, select, union_all
from sqlalchemy.orm import Session, aliased

from core.database.models import MetricBuckets, MetricSegment
from core.metrics.buckets import Buckets, groups
from core.metrics.samples import Samples

VALUE = "train_loss"
FEW = 512
"""Samples up to which a run is drawn by its samples themselves."""
MOST_BUCKETS = 256
"""Buckets of a size that are read of a run; where there are more, the next larger size is."""


def train_losses(
    session: Session, job_ids: Sequence[int], points: int
) -> dict[int, Sequence[float]]:
    """The train loss of some runs from their beginning on, at most `points` means of each.

    A run whose samples are more than `FEW` lacks those that no whole bucket has yet. What is read
    of a run has a bound, however long it is.

    Args:
        session: a transaction.
        job_ids: a few hundred at most. Those that have no samples are left out of the answer.
        points: how many numbers a curve has at most.
    """
    rows = session.execute(_question(job_ids)).all() if job_ids else []
    rows = sorted(rows, key=attrgetter("job_id", "size", "start"))
    found = {}
    for job_id, of_job in groupby(rows, attrgetter("job_id")):
        size, of_size = next(groupby(of_job, attrgetter("size")))  # the finest that was read
        found[job_id] = _thinned(_losses(size, [row.data for row in of_size]), points)
    return found


def _question(job_ids: Sequence[int]) -> CompoundSelect[Any]:
    """The rows that are enough to draw some runs: few of each."""
    segment, later = MetricSegment, aliased(MetricSegment)
    is_long = exists().where(later.job_id == segment.job_id, later.start >= FEW)
    few = select(segment.job_id, literal(0).label("size"), segment.start, segment.data).where(
        segment.job_id.in_(job_ids), segment.start < FEW, ~is_long
    )
    bucket, further = MetricBuckets, aliased(MetricBuckets)
    are_many = exists().where(
        further.job_id == bucket.job_id,
        further.size == bucket.size,
        further.start >= bucket.size * MOST_BUCKETS,
    )
    summed_up = select(bucket.job_id, bucket.size, bucket.start, bucket.data).where(
        bucket.job_id.in_(job_ids), bucket.start < bucket.size * MOST_BUCKETS, ~are_many
    )
    return union_all(few, summed_up)


def _losses(size: int, parts: Sequence[bytes]) -> Sequence[float]:
    losses = array("d")
    for data in parts:
        losses += (
            Buckets.unpack(data).column(VALUE, "mean")
            if size
            else Samples.unpack(data).column(VALUE)
        )
    return losses


def _thinned(losses: Sequence[float], points: int) -> Sequence[float]:
    """Means of as many neighbors as it takes."""
    if len(losses) <= points:
        return losses
    bounds = groups(len(losses), -(-len(losses) // points))
    return [sum(losses[first:end]) / (end - first) for first, end in bounds]
