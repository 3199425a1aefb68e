"""Reads metric samples: page by page, or summed up into as many buckets as a curve has room for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.orm import Session

from core.database.models import MetricBuckets, MetricSegment
from core.metrics.buckets import ROW, SIZES, Buckets, groups_by_sample
from core.metrics.samples import VALUES, MetricSample, Samples

_SEGMENTS_AT_ONCE = 8


def after(session: Session, job_id: int, step: int, limit: int) -> list[MetricSample]:
    """The samples after a step, first to last: at most `limit`."""
    table = MetricSegment
    holds_it = (
        select(func.max(table.first_step))
        .where(table.job_id == job_id, table.first_step <= step)
        .scalar_subquery()
    )
    first_step = func.coalesce(holds_it, 0)
    found: list[MetricSample] = []
    query = select(table.first_step, table.attempt, table.data).where(table.job_id == job_id)
    query = query.order_by(table.first_step).limit(_SEGMENTS_AT_ONCE)
    rows = session.execute(query.where(table.first_step >= first_step)).all()
    while rows and len(found) < limit:
        for _, attempt, data in rows:
            samples = Samples.unpack(data)
            begin = samples.count_until(step)
            found += samples[begin : begin + limit - len(found)].rows(attempt)
        more = len(rows) == _SEGMENTS_AT_ONCE and len(found) < limit
        later = query.where(table.first_step > rows[-1].first_step)
        rows = session.execute(later).all() if more else []
    return found


def samples(session: Session, job_id: int, start: int, end: int) -> Samples:
    """The samples of a job from number `start` to before `end`, counted from 0."""
    if start >= end:
        return Samples()
    table = MetricSegment
    rows = session.execute(
        select(table.start, table.data)
        .where(table.job_id == job_id, table.start < end, table.start >= _begins(job_id, start))
        .order_by(table.start)
    ).all()
    parts = [
        Samples.unpack(data)[max(0, start - first) : max(0, end - first)] for first, data in rows
    ]
    return sum(parts, Samples())


def curve(
    session: Session,
    job_id: int,
    points: int,
    first_step: int | None = None,
    last_step: int | None = None,
    values: Sequence[str] = VALUES,
) -> Buckets:
    """The samples from one step to another, both included, in at most `points` buckets.

    Where there are not more samples than that, each has a bucket of its own. Every minimum and
    maximum is that of the samples themselves, however many a bucket holds.

    Args:
        session: where to read.
        job_id: of which run.
        points: how many buckets at most.
        first_step: where it begins; None: with the first sample.
        last_step: where it ends; None: with the last sample.
        values: what to sum up, of `samples.VALUES`.
    """
    start = 0 if first_step is None else _count_until(session, job_id, first_step - 1)
    end = _count(session, job_id) if last_step is None else _count_until(session, job_id, last_step)
    count = max(0, end - start)
    level = sum(count // size >= points for size in SIZES)
    buckets = _between(session, job_id, start, end, level)
    return buckets.merged(groups_by_sample(buckets.count, max(1, -(-count // points))), values)


def _between(session: Session, job_id: int, start: int, end: int, level: int) -> Buckets:
    """Buckets of a level where they are whole, and of lower levels at both ends."""
    if start >= end or not level:
        return Buckets.of(samples(session, job_id, start, end))
    size = SIZES[level - 1]
    first, last = -(-start // size) * size, end // size * size
    if first >= last:
        return _between(session, job_id, start, end, level - 1)
    return (
        _between(session, job_id, start, first, level - 1)
        + _stored(session, job_id, size, first, last)
        + _between(session, job_id, last, end, level - 1)
    )


def _stored(session: Session, job_id: int, size: int, start: int, end: int) -> Buckets:
    """The buckets of a size from sample number `start` to before `end`, both multiples of it."""
    table = MetricBuckets
    begins = start // (size * ROW) * (size * ROW)
    rows = session.execute(
        select(table.start, table.data)
        .where(table.job_id == job_id, table.size == size)
        .where(table.start >= begins, table.start < end)
        .order_by(table.start)
    ).all()
    parts = [
        Buckets.unpack(data)[max(0, start - first) // size : (end - first) // size]
        for first, data in rows
    ]
    return sum(parts, Buckets.none())


def _begins(job_id: int, start: int) -> ScalarSelect[int]:
    """Where the segment begins that holds a sample."""
    table = MetricSegment
    return (
        select(func.max(table.start))
        .where(table.job_id == job_id, table.start <= start)
        .scalar_subquery()
    )


def _count(session: Session, job_id: int) -> int:
    """How many samples a job has."""
    table = MetricSegment
    newest = select(table.start + table.count).where(table.job_id == job_id)
    return session.scalar(newest.order_by(table.start.desc()).limit(1)) or 0


def _count_until(session: Session, job_id: int, step: int) -> int:
    """How many samples of a job are of this step or an earlier one."""
    table = MetricSegment
    query = select(table.start, table.data).where(table.job_id == job_id, table.first_step <= step)
    row = session.execute(query.order_by(table.first_step.desc()).limit(1)).one_or_none()
    return row.start + Samples.unpack(row.data).count_until(step) if row else 0
