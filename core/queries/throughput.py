"""How the queue did in the last day: how long runs waited, and how many ended in each hour.

The newest events of the history are read, by its key, and no more than so many: where there were
more in a day, the answer is of a shorter time and says so.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.hints import in_passing
from core.database.models import Job, JobEvent

HOURS = 24
LOOKED_AT = 20_000
"""Events, of every kind."""
WAITS = 2000
"""First starts, the newest."""
TAIL = 0.95

_ENDS = ("finished", "failed")


@dataclass(frozen=True, slots=True)
class Hour:
    """The runs that ended in an hour."""

    begins_at: datetime
    succeeded: int
    failed: int

    @property
    def ended(self) -> int:
        """How many there were."""
        return self.succeeded + self.failed


@dataclass(frozen=True, slots=True)
class LastDay:
    """The last day of all queues."""

    since: datetime
    """A day ago, or later where more happened than is looked at."""
    started: int
    """Runs that started for the first time, at most `WAITS`."""
    median_wait_s: float | None
    """From submit to first start; None: none started."""
    tail_wait_s: float | None
    """Of 95% of the runs it was no longer."""
    hours: Sequence[Hour]
    """The hours until now, the oldest first."""
    ended_per_hour: float


def last_day(session: Session) -> LastDay:
    """What the history says of the last day."""
    row = session.execute(
        select(now().label("moment"), func.max(JobEvent.id).label("newest"))
    ).one()
    first = max(0, (row.newest or 0) - LOOKED_AT)
    since = _since(session, row.moment, first)
    waits = sorted(_waits(session, first, since))
    hours = _hours(session, first, since, row.moment)
    length_h = max(1.0, (row.moment - since).total_seconds() / 3600.0)
    return LastDay(
        since=since,
        started=len(waits),
        median_wait_s=statistics.median(waits) if waits else None,
        tail_wait_s=waits[min(len(waits) - 1, int(len(waits) * TAIL))] if waits else None,
        hours=hours,
        ended_per_hour=sum(hour.ended for hour in hours) / length_h,
    )


def _since(session: Session, moment: datetime, first: int) -> datetime:
    """A day ago, or the moment of the first event that is looked at."""
    day_ago = moment - timedelta(hours=HOURS)
    if not first:
        return day_ago
    at = session.scalar(
        select(JobEvent.at).where(JobEvent.id > first).order_by(JobEvent.id).limit(1)
    )
    return max(day_ago, at) if at else day_ago


def _waits(session: Session, first: int, since: datetime) -> list[float]:
    """Seconds from submit to first start, of the runs that started lately."""
    rows = session.execute(
        select(JobEvent.at, Job.created_at)
        .join(Job, Job.id == in_passing(JobEvent.job_id))
        .where(
            JobEvent.id > first,
            JobEvent.at >= since,
            JobEvent.kind == "claimed",
            JobEvent.attempt == 1,
        )
        .order_by(JobEvent.id.desc())
        .limit(WAITS)
    )
    return [(row.at - row.created_at).total_seconds() for row in rows]


def _hours(session: Session, first: int, since: datetime, moment: datetime) -> list[Hour]:
    rows = session.execute(
        select(JobEvent.at, JobEvent.kind).where(
            JobEvent.id > first, JobEvent.at >= since, JobEvent.kind.in_(_ENDS)
        )
    )
    counts = [[0, 0] for _ in range(HOURS)]
    for row in rows:
        ago = min(HOURS - 1, int((moment - row.at).total_seconds() // 3600))
        counts[HOURS - 1 - max(0, ago)][_ENDS.index(row.kind)] += 1
    begins = [moment - timedelta(hours=HOURS - number) for number in range(HOURS)]
    return [Hour(begin, *each) for begin, each in zip(begins, counts, strict=True)]
