"""What is new about a job since what a viewer has seen.

`SOURCES` is a row for each kind of record: which event brings it, how it is asked for, and which
parts of the position it moves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from core import queries
from core.database.engine import Database
from core.database.instance import instance_of
from core.database.models import Job
from core.errors import NotFound
from core.messages import message
from core.queries import Page
from core.states import FINAL
from webui.api import shapes
from webui.live.position import Position

ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    data: Any
    position: Position | int
    """In the stream of a run, or the id of an event in that of all runs."""

    def encode(self) -> str:
        """The event as it goes over the wire, but for `id: ` at its beginning."""
        # ASCII alone: some readers break lines at characters that the format does not
        data = json.dumps(self.data, separators=(",", ":"))
        return f"{self.position}\nevent: {self.name}\ndata: {data}\n\n"


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of record that a run reports, as the stream brings it."""

    event: str
    query: Callable[[Session, int, int, str], Page[Any]]
    shape: Callable[[Any], shapes.Shape]
    moves: Mapping[str, str]
    """The parts of the position from which it continues, and the column that each is read from."""
    former_event: str = ""
    """Its event's name in version 0.1."""

    def page(self, session: Session, job_id: int, seen: Position) -> Page[Any]:
        """The rows beyond a position."""
        cursor = ".".join(str(getattr(seen, part)) for part in self.moves)
        return self.query(session, job_id, ROWS_AT_ONCE, cursor)

    def events(self, page: Page[Any], seen: Position) -> Iterator[tuple[str, Any, Position]]:
        """The events that bring a page of rows: their names, their data, where they lead to."""
        if not page.items:
            return
        rows = [self.shape(row).as_json() for row in page.items]
        if self.former_event:
            # it moves no position: what comes again after a lost connection has the same keys
            yield self.former_event, rows, seen
        newest = page.items[-1]
        moved = {part: getattr(newest, column) for part, column in self.moves.items()}
        yield self.event, rows, replace(seen, **moved)


SOURCES = (
    Source(
        "logs",
        queries.logs,
        shapes.LogLine.model_validate,
        {"log_attempt": "attempt", "log_line": "number"},
    ),
    Source("epochs", queries.epochs, shapes.Epoch.model_validate, {"epoch": "epoch"}),
    Source(
        "metrics", queries.metrics, shapes.MetricSample.model_validate, {"step": "step"}, "points"
    ),
    Source(
        "artifacts",
        queries.artifacts,
        shapes.ArtifactShape.model_validate,
        {"artifact": "id"},
        "checkpoints",
    ),
    Source("history", queries.events, shapes.EventShape.of, {"event": "id"}),
)


@dataclass(slots=True)
class _News:
    """The events of one look, and the position that they lead to."""

    seen: Position
    events: list[Event] = field(default_factory=list)
    is_whole: bool = True
    """Whether nothing was left for the next look."""

    def add(self, name: str, data: Any, position: Position) -> None:
        self.events.append(Event(name, data, position))
        self.seen = position

    def add_reset(self, job: Job) -> None:
        if job.resets != self.seen.resets:
            start = replace(self.seen, resets=job.resets, epoch=0, step=0)
            self.add("reset", {"attempt": job.attempt}, start)

    def add_rows(self, session: Session, job: Job, source: Source) -> None:
        page = source.page(session, job.id, self.seen)
        for name, rows, position in source.events(page, self.seen):
            self.add(name, rows, position)
        self.is_whole = self.is_whole and page.next is None

    def add_evaluation(self, session: Session, job: Job) -> None:
        evaluated = queries.evaluated_attempt(session, job.id)
        if evaluated > self.seen.evaluated:
            seen = replace(self.seen, evaluated=evaluated)
            self.add("evaluation", {"attempt": evaluated}, seen)

    def add_job(self, session: Session, job: Job, worker: str | None) -> None:
        # the revision is seen only once all that belongs to it is: else the next look ends early
        seen = replace(self.seen, revision=job.revision) if self.is_whole else self.seen
        self.add("job", shapes.whole_job(session, job, worker).as_json(), seen)

    def add_end(self, job: Job) -> None:
        if self.is_whole and job.state in FINAL:
            self.add("end", {}, self.seen)


def news(database: Database, job_id: int, seen: Position) -> list[Event]:
    """What is new about a job since `seen`, in the order in which a page should show it.

    Raises:
        NotFound: there is no such job, or the position is one in another database.
    """
    # repeatable: all who have seen a revision whole have come to the same position
    with database.reading(repeatable=True) as session:
        instance = instance_of(session)
        if not seen.is_of(instance):
            raise NotFound(message("request.other_instance"))
        fresh = _News(replace(seen, instance=instance))
        job, worker = queries.job(session, job_id)
        if job.revision != seen.revision:
            fresh.add_reset(job)
            for source in SOURCES:
                fresh.add_rows(session, job, source)
            fresh.add_evaluation(session, job)
            fresh.add_job(session, job, worker)
        fresh.add_end(job)
    return fresh.events


def present(database: Database, job_id: int) -> tuple[Position, bool]:
    """The position of one who has seen all there is of a job, and whether the job is over."""
    with database.reading(repeatable=True) as session:
        job, _ = queries.job(session, job_id)
        keys: dict[str, Any] = {**queries.newest_keys(session, job_id)}
        keys |= {"instance": instance_of(session)}
    return Position(revision=job.revision, resets=job.resets, **keys), job.state in FINAL
