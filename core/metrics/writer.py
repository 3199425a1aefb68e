"""Writes the metric samples of one attempt into segments and buckets, a flush at a time.

Everything happens in the caller's transaction, under its guard. What the next write must know (the
newest samples, and the buckets that are not yet summed up further) is kept in memory, so that a
write reads nothing. It is read from the tables where an attempt begins, and again after a commit
whose answer was lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise, takewhile
from typing import Any

from sqlalchemy import ColumnElement, Executable, delete, insert, select, update
from sqlalchemy.orm import Session

from core.database.models import MetricBuckets, MetricSegment
from core.metrics import curves
from core.metrics.buckets import ROW, SIZES, Buckets, groups
from core.metrics.samples import Samples

SEGMENT = 1024
"""Samples in a segment that stays."""
GROWING = 64
"""Samples up to which the newest segment grows: it is written again with each flush."""
NO_BUCKETS = Buckets.none()


@dataclass(frozen=True, slots=True)
class _Tail:
    """The end of what is written: all that the next write must know."""

    count: int = 0
    """Samples of the job."""
    pool: Samples = field(default_factory=Samples)
    """The samples of this attempt that are in small segments, fewer than `SEGMENT`."""
    newest: int = 0
    """How many of these are in the newest segment."""
    rest: Samples = field(default_factory=Samples)
    """The samples after the last whole bucket of the smallest size."""
    rows: Mapping[int, Buckets] = field(default_factory=lambda: dict.fromkeys(SIZES, NO_BUCKETS))
    """For each size, the buckets in the row that is not full."""


class MetricWriter:
    """Writes the samples of one attempt. After each transaction, call `settle` or `forget`."""

    def __init__(self, job_id: int, attempt: int) -> None:
        self._job_id = job_id
        self._attempt = attempt
        self._tail: _Tail | None = None
        self._next: _Tail | None = None
        self.statements = 0
        """Statements since the last `settle` or `forget`."""

    def settle(self) -> None:
        """Take note that the transaction was committed."""
        self._tail, self.statements = self._next or self._tail, 0
        self._next = None

    def forget(self) -> None:
        """Take note that nobody knows whether it was: the tables are read again."""
        self._tail = self._next = None
        self.statements = 0

    def take_back(self, session: Session, after_step: int) -> None:
        """Delete the samples of later steps, of any attempt."""
        is_later = MetricSegment.first_step > after_step
        deleted = self._run(
            session, delete(MetricSegment).where(self._of_job(MetricSegment), is_later)
        )
        if after_step == deleted.rowcount == 0:
            self._next = _Tail()  # a run that has just begun has no buckets either
            return
        self._shorten_newest(session, after_step)
        self._next = self._read_tail(session)

    def write(self, session: Session, samples: Samples) -> None:
        """Write samples whose steps follow on those before; what has come of them is replaced."""
        if not samples:
            return
        if self._next is None and self._tail is None:
            self.take_back(session, samples.step[0] - 1)
        tail = self._next or self._tail
        assert tail is not None
        tail = self._write_segments(session, tail, samples)
        self._next = self._write_buckets(session, tail, samples)

    def _write_segments(self, session: Session, tail: _Tail, samples: Samples) -> _Tail:
        pool = tail.pool + samples
        before = tail.count - len(tail.pool)
        count = tail.count + len(samples)
        if len(pool) >= SEGMENT:
            if tail.pool:
                first = tail.pool.step[0]
                condition = self._of_job(MetricSegment), MetricSegment.first_step >= first
                self._run(session, delete(MetricSegment).where(*condition))
            self._insert_segments(session, pool, before)
            pool = pool[len(pool) // SEGMENT * SEGMENT :]
            return replace(tail, count=count, pool=pool, newest=len(pool))
        newest = tail.newest + len(samples)
        if tail.newest and newest <= GROWING:
            segment = pool[len(pool) - newest :]
            self._replace_segment(session, segment)
            return replace(tail, count=count, pool=pool, newest=newest)
        self._insert_segments(session, samples, tail.count)
        return replace(tail, count=count, pool=pool, newest=len(samples))

    def _insert_segments(self, session: Session, samples: Samples, start: int) -> None:
        rows = [
            {
                "job_id": self._job_id,
                "first_step": samples.step[first],
                "attempt": self._attempt,
                "start": start + first,
                **self._contents(samples[first:end]),
            }
            for first, end in groups(len(samples), SEGMENT)
        ]
        self._run(session, insert(MetricSegment), rows)

    def _replace_segment(self, session: Session, samples: Samples) -> None:
        self._run(
            session,
            update(MetricSegment)
            .where(self._of_job(MetricSegment), MetricSegment.first_step == samples.step[0])
            .values(self._contents(samples)),
        )

    @staticmethod
    def _contents(samples: Samples) -> dict[str, Any]:
        return {
            "last_step": samples.step[-1],
            "count": len(samples),
            "data": samples.pack(),
        }

    def _write_buckets(self, session: Session, tail: _Tail, samples: Samples) -> _Tail:
        """Sum up what has become whole, level by level."""
        rest = tail.rest + samples
        whole = len(rest) // SIZES[0] * SIZES[0]
        rows = dict(tail.rows)
        made = Buckets.of(rest[:whole]).merged(groups(whole, SIZES[0]))
        before = tail.count - len(samples)
        for size, larger in pairwise((*SIZES, 0)):
            if not made:
                break
            # the buckets since the last whole one of the next size are at the end of the row
            open_ones = before // size % (larger // size) if larger else 0
            row = rows[size]
            unmerged = row[len(row) - open_ones :] + made
            rows[size] = self._extend_row(session, size, before // size - len(row), row, made)
            if larger:
                factor = larger // size
                unmerged = unmerged[: len(unmerged) // factor * factor]
                made = unmerged.merged(groups(len(unmerged), factor))
        return replace(tail, rest=rest[whole:], rows=rows)

    def _extend_row(
        self, session: Session, size: int, first: int, row: Buckets, made: Buckets
    ) -> Buckets:
        """Append buckets to the row that begins with bucket number `first`, and to further ones."""
        buckets = row + made
        parts = [(start, buckets[start:end]) for start, end in groups(len(buckets), ROW)]
        if row:
            _, part = parts.pop(0)
            self._replace_row(session, size, first * size, part)
        if parts:
            rows = [
                {
                    "job_id": self._job_id,
                    "size": size,
                    "start": (first + start) * size,
                    "data": part.pack(),
                }
                for start, part in parts
            ]
            self._run(session, insert(MetricBuckets), rows)
        return buckets[len(buckets) // ROW * ROW :]

    def _replace_row(self, session: Session, size: int, start: int, buckets: Buckets) -> None:
        self._run(
            session,
            update(MetricBuckets)
            .where(
                self._of_job(MetricBuckets),
                MetricBuckets.size == size,
                MetricBuckets.start == start,
            )
            .values(data=buckets.pack()),
        )

    def _shorten_newest(self, session: Session, after_step: int) -> None:
        """Cut the segment that goes beyond a step behind it."""
        newest = select(MetricSegment.last_step, MetricSegment.data)
        newest = newest.where(self._of_job(MetricSegment))
        newest = newest.order_by(MetricSegment.first_step.desc()).limit(1)
        for last_step, data in self._run(session, newest).all():
            if last_step > after_step:
                samples = Samples.unpack(data)
                self._replace_segment(session, samples[: samples.count_until(after_step)])

    def _read_tail(self, session: Session) -> _Tail:
        """Read the end of the segments, and take back the buckets of samples beyond it."""
        table = MetricSegment
        segments = self._run(
            session,
            select(table.start, table.count, table.attempt)
            .where(self._of_job(table))
            .order_by(table.first_step.desc())
            .limit(SIZES[0]),  # each has a sample at least, so these hold the last 64
        ).all()
        count = segments[0].start + segments[0].count if segments else 0
        small = list(takewhile(self._may_grow, segments))
        first_small = small[-1].start if small else count
        first = min(first_small, count // SIZES[0] * SIZES[0])
        samples = curves.samples(session, self._job_id, first, count)
        return _Tail(
            count=count,
            pool=samples[first_small - first :],
            newest=small[0].count if small else 0,
            rest=samples[len(samples) - count % SIZES[0] :],
            rows=self._read_rows(session, count),
        )

    def _may_grow(self, segment: Any) -> bool:
        return bool(segment.attempt == self._attempt and segment.count < SEGMENT)

    def _read_rows(self, session: Session, count: int) -> dict[int, Buckets]:
        """Take back the buckets that are whole no more; what is left in the rows to be filled."""
        table, of_job = MetricBuckets, self._of_job(MetricBuckets)
        self._run(session, delete(table).where(of_job, table.start + table.size > count))
        open_rows = self._run(
            session,
            select(table.size, table.start, table.data).where(
                of_job, table.start + table.size * ROW > count
            ),
        ).all()
        rows = dict.fromkeys(SIZES, NO_BUCKETS)
        for size, start, data in open_rows:
            buckets = Buckets.unpack(data)
            rows[size] = buckets[: (count - start) // size]
            if len(rows[size]) < len(buckets):
                self._replace_row(session, size, start, rows[size])
        return rows

    def _of_job(self, table: type[MetricSegment | MetricBuckets]) -> ColumnElement[bool]:
        return table.job_id == self._job_id

    def _run(self, session: Session, statement: Executable, rows: Any = None) -> Any:
        self.statements += 1
        return session.execute(statement, rows)
