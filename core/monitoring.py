"""What a monitoring system asks of an installation: how much waits, how long, and who works.

It is asked every few seconds for ever, so nothing here reads more than the lanes, what runs, the
live workers, and what has happened since the last look. How many runs are over changes slowly
and takes a count of them all, by an index: that is done once a minute.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core import workers
from core.database.clock import now
from core.database.dialects import is_postgresql
from core.database.engine import Database
from core.database.models import Delivery, Duty, Job, JobEvent, Lane
from core.jobs import lanes, rests
from core.notifications import outbox
from core.states import STATES, EventKind, State

COUNTED_EVERY_S = 60.0
OPEN: tuple[State, ...] = ("queued", "running", "paused")
EVENTS_AT_ONCE = 20_000
"""After a pause of many events the rest is counted at the next look."""
LATE = 500
"""Events behind the newest that are looked at again: a transaction that began earlier may end
later, and then writes a number that was passed already."""


@dataclass(frozen=True, slots=True)
class Line:
    """What waits in a queue."""

    queue: str
    length: int
    oldest_s: float
    """How long the run that could have been claimed first has waited."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers."""

    live: int
    drained: int
    resting: int
    """Those that leave some work alone for a while."""
    lost: int
    """Lost in the last day, and not back."""
    slots: int
    slots_in_use: int


@dataclass(frozen=True, slots=True)
class Unsent:
    """Messages by webhook or mail that are not delivered."""

    waiting: int
    """Those to be tried once more too."""
    overdue_s: float
    """For how long the first of them is due and was not tried."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An installation at one moment."""

    lines: Sequence[Line]
    states: Mapping[State, int]
    """Runs that were not deleted."""
    crew: Crew
    unsent: Unsent
    overdue_s: Mapping[str, float]
    """By periodic work of the housekeeping, for how long it is due and was not begun."""
    database_bytes: int | None


@dataclass(slots=True)
class Happened:
    """What has happened in an installation since a process looks, as counters."""

    events: Counter[EventKind] = field(default_factory=Counter)
    claim_waits: list[float] = field(default_factory=list)
    """Seconds from the moment from which a run could be claimed to its claim; the newest look's."""


@dataclass(slots=True)
class Watched:
    """What the last look knew, of whichever process that counts together with others."""

    passed: int | None = None
    """The newest event that was counted; None before the first look."""
    seen: set[int] = field(default_factory=set)
    """Of the newest events, those that were."""
    ended: dict[State, int] = field(default_factory=dict)
    """Runs that are over, by their state."""
    count_due: float = 0.0
    """When they are to be counted again, by the monotonic clock of this machine."""

    def load(self, path: Path) -> None:
        """Continue where another process ended; a file that is none yet says nothing."""
        try:
            found = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            return
        self.passed, self.seen = found["passed"], set(found["seen"])
        self.ended, self.count_due = found["ended"], found["count_due"]

    def save(self, path: Path) -> None:
        """Let another process continue here; whoever reads has the former content, or this."""
        content = {
            "passed": self.passed,
            "seen": sorted(self.seen),
            "ended": self.ended,
            "count_due": self.count_due,
        }
        written = path.with_suffix(".part")
        written.write_text(json.dumps(content))
        written.replace(path)


class Monitor:
    """Looks at an installation. Safe in several threads: one looks at a time."""

    def __init__(self, database: Database, shared: Path | None = None) -> None:
        """Begin to watch.

        Args:
            database: that of the installation.
            shared: a file by which processes that count together tell each other what was counted.
        """
        self._database = database
        self._shared = shared
        self._lock = threading.Lock()
        self._watched = Watched()

    def look(self) -> tuple[Reading, Happened]:
        """The present, and what has happened since the last look.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with self._lock, self._alone(), self._database.reading() as session:
            reading = Reading(
                lines=_lines(session),
                states=self._states(session),
                crew=_crew(session),
                unsent=_unsent(session),
                overdue_s=_overdue(session),
                database_bytes=_size(session),
            )
            return reading, self._happened(session)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Count what none of the processes that count together has counted."""
        if self._shared is None:
            yield
            return
        with FileLock(self._shared.with_suffix(".lock")):
            self._watched.load(self._shared)
            yield
            self._watched.save(self._shared)

    def _states(self, session: Session) -> dict[State, int]:
        watched = self._watched
        if time.monotonic() >= watched.count_due:
            watched.ended = {state: _count(session, state) for state in STATES if state not in OPEN}
            watched.count_due = time.monotonic() + COUNTED_EVERY_S
        return {state: _count(session, state) for state in OPEN} | watched.ended

    def _happened(self, session: Session) -> Happened:
        newest = session.scalar(select(func.max(JobEvent.id))) or 0
        found = Happened()
        watched = self._watched
        if watched.passed is None:
            watched.passed = newest
            watched.seen = set(range(max(0, newest - LATE), newest + 1))
            return found
        # its row of `jobs` says since when it could be claimed, unless it was queued again since
        rows = session.execute(
            select(JobEvent.id, JobEvent.kind, JobEvent.at, Job.available_at)
            .outerjoin(Job, Job.id == JobEvent.job_id)
            .where(JobEvent.id > watched.passed - LATE)
            .order_by(JobEvent.id)
            .limit(EVENTS_AT_ONCE)
        ).all()
        for row in rows:
            if row.id in watched.seen:
                continue
            found.events[row.kind] += 1
            if row.kind == "claimed" and row.available_at is not None:
                waited_s = (row.at - row.available_at).total_seconds()
                if waited_s >= 0:
                    found.claim_waits.append(waited_s)
        if rows:
            watched.passed = max(watched.passed, rows[-1].id)
            watched.seen |= {row.id for row in rows}
            watched.seen = {each for each in watched.seen if each > watched.passed - LATE}
        return found


def _count(session: Session, state: State) -> int:
    """Runs in a state, by an index alone."""
    of_state = (Job.state == state, Job.deleted_at.is_(None))
    return session.scalar(select(func.count()).select_from(Job).where(*of_state)) or 0


def _lines(session: Session) -> list[Line]:
    queued = (Job.lane_id == Lane.id, lanes.IS_QUEUED)
    length = select(func.count()).select_from(Job).where(*queued).correlate(Lane).scalar_subquery()
    rows = session.execute(
        select(Lane.queue, length.label("length"), lanes.FIRST_DUE_AT, now().label("moment"))
    )
    lengths: Counter[str] = Counter()
    oldest: dict[str, float] = {}
    for row in rows:
        lengths[row.queue] += row.length
        waits_s = (
            0.0 if row.first_due_at is None else (row.moment - row.first_due_at).total_seconds()
        )
        oldest[row.queue] = max(0.0, waits_s, oldest.get(row.queue, 0.0))
    return [Line(queue, lengths[queue], oldest[queue]) for queue in sorted(lengths)]


def _crew(session: Session) -> Crew:
    found = rests.live_capacities(session)
    live = [worker for worker, _ in found]
    in_use = session.scalar(select(func.sum(Job.devices)).where(lanes.IS_RUNNING))
    return Crew(
        live=len(live),
        drained=sum(worker.desired == "drain" for worker in live),
        resting=sum(bool(capacity.rests) for _, capacity in found),
        lost=len(workers.missing(session)),
        slots=sum(worker.slots for worker in live),
        slots_in_use=in_use or 0,
    )


def _unsent(session: Session) -> Unsent:
    row = session.execute(
        select(
            func.count().label("waiting"),
            func.min(Delivery.due_at).label("due_at"),
            now().label("moment"),
        ).where(*outbox.TO_SEND)
    ).one()
    overdue_s = 0.0 if row.due_at is None else (row.moment - row.due_at).total_seconds()
    return Unsent(row.waiting, max(0.0, overdue_s))


def _overdue(session: Session) -> dict[str, float]:
    rows = session.execute(select(Duty.name, Duty.due_at, now().label("moment")))
    return {row.name: max(0.0, (row.moment - row.due_at).total_seconds()) for row in rows}


def _size(session: Session) -> int | None:
    if is_postgresql(session):
        return int(session.scalars(text("SELECT pg_database_size(current_database())")).one())
    file = session.connection().engine.url.database
    try:
        return Path(file).stat().st_size if file else None
    except OSError:
        return None
