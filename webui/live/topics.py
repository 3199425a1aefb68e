"""What can be watched, as a channel looks at it: a run, and the history of all runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.orm import Session

from core import queries
from core.database.engine import Database
from core.database.models import JobEvent
from core.jobs import events as job_events
from core.logs import bound
from core.states import State
from webui.api import shapes
from webui.live.news import Event, news, present
from webui.live.position import Position

ROWS_AT_ONCE = 1000

Place = Position | int
"""How far a viewer of a topic has come."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found."""

    events: Sequence[Event]
    seen: Place
    is_whole: bool
    """Whether nothing was left for the next look."""
    is_over: bool = False
    """Whether there will be no more."""


class Topic(Protocol):
    """What a channel is of. Its methods ask the database, in threads."""

    def present(self) -> tuple[Place, bool]:
        """The place of one who has seen everything so far, and whether that is all."""

    def look(self, seen: Any) -> Look:
        """What there is beyond a place."""

    def mark(self, place: Any) -> int:
        """A number that grows with the place: equal for all who have seen the same."""


@dataclass(frozen=True, slots=True)
class JobTopic:
    """One run."""

    database: Database
    job_id: int

    def present(self) -> tuple[Place, bool]:
        with bound(job_id=self.job_id):
            return present(self.database, self.job_id)

    def look(self, seen: Position) -> Look:
        with bound(job_id=self.job_id):
            events = news(self.database, self.job_id, seen)
        if not events:
            return Look(events, seen, is_whole=True)
        last = events[-1]
        assert isinstance(last.position, Position)
        is_over = last.name == "end"
        is_whole = is_over or last.position.revision != seen.revision
        return Look(events, last.position, is_whole, is_over)

    def mark(self, place: Position) -> int:
        return place.revision

    def job(self, seen: Position) -> Look:
        """The run again, where others have moved it on in the line: its own row did not change."""
        with bound(job_id=self.job_id), self.database.reading() as session:
            job = shapes.whole_job(session, *queries.job(session, self.job_id)).as_json()
        return Look([Event("job", job, seen)], seen, is_whole=True)


@dataclass(frozen=True, slots=True)
class HistoryTopic:
    """The history of all runs that are there for somebody."""

    database: Database
    seen_by: str | None = None
    """The name of whoever watches, where private runs of others are not there."""

    def present(self) -> tuple[Place, bool]:
        with self.database.reading() as session:
            return job_events.newest_id(session), False

    def look(self, seen: int) -> Look:
        with self.database.reading() as session:
            rows = job_events.after(session, seen, ROWS_AT_ONCE)
            shown = {row.id for row in self._shown(session, rows)}
            events = [
                Event("happened", shapes.EventShape.of(row).as_json(), row.id)
                if row.id in shown
                else Event("hidden", {"job_id": row.job_id}, row.id)
                for row in rows
                if row.id in shown or _hides(row)
            ]
        newest = rows[-1].id if rows else seen
        return Look(events, newest, is_whole=len(rows) < ROWS_AT_ONCE)

    def mark(self, place: int) -> int:
        return place

    def _shown(self, session: Session, rows: Sequence[JobEvent]) -> Sequence[JobEvent]:
        if self.seen_by is None:
            return rows
        ids = sorted({row.job_id for row in rows})
        known = {job.id for job in queries.jobs_by_id(session, ids, self.seen_by)}
        return [row for row in rows if row.job_id in known]


def _hides(row: JobEvent) -> bool:
    """Whether a run may have become private by an event: its row has to leave open lists."""
    return row.kind == "edited" and "private" in (row.payload or {}).get("fields", ())


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is looked at for all channels together, however many they are."""

    revisions: Mapping[int, tuple[int, State]]
    waiting_keys: Mapping[int, str]
    """Of the watched jobs that are queued: others move them on in the line, without a revision."""
    newest_event: int


def pulse(database: Database, job_ids: Sequence[int]) -> Pulse:
    """Look at all that is watched at once."""
    with database.reading() as session:
        revisions = queries.revisions(session, job_ids) if job_ids else {}
        queued = [number for number, (_, state) in revisions.items() if state == "queued"]
        keys = shapes.waiting_keys(session, queued) if queued else {}
        return Pulse(revisions, keys, job_events.newest_id(session))


def owners_of_private(database: Database, job_ids: Collection[int]) -> Mapping[int, str]:
    """Whose each of some jobs is, of those that are private."""
    with database.reading() as session:
        return queries.owners_of_private(session, sorted(job_ids))


def may_see(seen_by: str | None, job: Mapping[str, Any]) -> bool:
    """Whether a run, as it is sent, may be sent to somebody; None: who sees every run."""
    return seen_by is None or not job["private"] or job["owner"] == seen_by


def waiting_key(job: shapes.JSON) -> str | None:
    """What changes where a job waits for another reason; None where it does not wait."""
    status = job["queue_status"]
    return status["key"] if status else None
