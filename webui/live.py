"""Live streams: what is new about a job since what a viewer has seen, as server-sent events.

The database is the source. An event's id is a `Position`: the revision and the last epoch, step,
log line, file and evaluation that the viewer has got. After a lost connection the browser sends it
back and the stream goes on from there. A wake-up only makes the stream look sooner.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from typing import Any

from core import queries
from core.database.engine import Database
from core.errors import DatabaseUnavailable, InvalidInput
from core.messages import from_json, stored
from core.messaging.pubsub import Wakeups
from core.states import FINAL
from webui import schemas

LOOK_EVERY_S = 2.0
LOOK_AT_MOST_EVERY_S = 0.1
HEARTBEAT_S = 10.0
RECONNECT_AFTER_MS = 1500
ROWS_AT_ONCE = 1000
LARGEST_PART = 10**18 - 1
"""The parts of a position serve as cursors, and these have at most 18 digits."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a viewer has come. Written as its numbers with dots between."""

    revision: int = 0
    resets: int = 0
    epoch: int = 0
    step: int = 0
    log_attempt: int = 0
    log_line: int = 0
    checkpoint: int = 0
    evaluated: int = 0
    """The attempt whose evaluation the viewer knows of."""

    def __str__(self) -> str:
        return ".".join(str(part) for part in astuple(self))

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read a position.

        Raises:
            InvalidInput: the text is none.
        """
        try:
            parts = [int(part) for part in text.split(".")]
            possible = all(0 <= part <= LARGEST_PART for part in parts)
            # an id of an earlier version knows of no evaluation
            if not possible or not len(fields(cls)) - 1 <= len(parts) <= len(fields(cls)):
                raise ValueError
        except ValueError:
            raise InvalidInput.one(
                "Last-Event-ID", "send back the id of the last event as it was given"
            ) from None
        return cls(*parts)


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    data: Any
    position: Position

    def encode(self) -> str:
        """The event as it goes over the wire."""
        # ASCII alone: some readers break lines at characters that the format does not
        data = json.dumps(self.data, separators=(",", ":"))
        return f"id: {self.position}\nevent: {self.name}\ndata: {data}\n\n"


class Watchers:
    """Hands wake-ups from one Redis subscription to all the streams of this process."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups
        self._lock = threading.Lock()
        self._events: dict[int, set[threading.Event]] = defaultdict(set)
        self._stop = threading.Event()
        self._listener: threading.Thread | None = None

    @contextmanager
    def watching(self, job_id: int) -> Iterator[threading.Event]:
        """An event that is set at each wake-up for a job."""
        event = threading.Event()
        with self._lock:
            self._events[job_id].add(event)
            if self._listener is None:  # not before it is needed: nothing connects at import
                self._listener = threading.Thread(
                    target=self._wakeups.listen,
                    args=("changed", self._hear, self._stop),
                    name="wakeups",
                    daemon=True,
                )
                self._listener.start()
        try:
            yield event
        finally:
            with self._lock:
                self._events[job_id].discard(event)
                if not self._events[job_id]:
                    del self._events[job_id]

    def stop(self) -> None:
        """End the subscription and let every stream look, and end, now."""
        self._stop.set()
        with self._lock:
            for events in self._events.values():
                for event in events:
                    event.set()

    @property
    def stopping(self) -> bool:
        """Whether the server is going down."""
        return self._stop.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the server lives."""
        self._stop.wait(seconds)

    def _hear(self, job_id: int) -> None:
        with self._lock:
            for event in self._events.get(job_id, ()):
                event.set()


def stream(
    database: Database, watchers: Watchers, job_id: int, position: Position
) -> Iterator[str]:
    """Everything about a job after `position`, then what happens, until the job has ended.

    Yields:
        Events: `job` (the job), `epochs`, `points`, `logs`, `checkpoints` (lists of new rows),
        `evaluation` (there is one), `reset` (epochs and points shown so far are void: training
        began again), `end`.
    """
    yield f"retry: {RECONNECT_AFTER_MS}\n\n"
    last_sent = time.monotonic()
    waits: str | None = None  # why, as it was last told
    with watchers.watching(job_id) as changed:
        while not watchers.stopping:
            changed.clear()
            before = position
            try:
                events = news(database, job_id, position)
                if not events and waits is not None:
                    events = _moved_on(database, job_id, position, waits)
            except DatabaseUnavailable:
                yield ": the database is away\n\n"
                events = []
            for event in events:
                position = event.position
                yield event.encode()
                last_sent = time.monotonic()
                waits = _turn(event.data) if event.name == "job" else waits
                if event.name == "end":
                    return
            if events and position.revision == before.revision:
                continue  # there may be more than one look brings
            if events:
                watchers.pause(LOOK_AT_MOST_EVERY_S)  # many changes make one look
            elif time.monotonic() - last_sent > HEARTBEAT_S:
                yield ": still here\n\n"  # a write is how a lost viewer is noticed
                last_sent = time.monotonic()
            if not changed.is_set():
                changed.wait(LOOK_EVERY_S)


def news(database: Database, job_id: int, seen: Position) -> list[Event]:
    """What is new about a job since `seen`, in the order in which a page should show it."""
    events: list[Event] = []
    with database.reading() as session:
        # the job is read first, so its revision is never newer than the rows read after it
        job, worker = queries.job(session, job_id)
        if job.revision == seen.revision:
            return _end_if_over(job.state, seen)
        if job.resets != seen.resets:
            seen = replace(seen, resets=job.resets, epoch=0, step=0)
            events.append(Event("reset", {"attempt": job.attempt}, seen))
        full = False

        def rows(name: str, page: queries.Page[Any], shape: Any, **moved: Any) -> None:
            nonlocal seen, full
            if page.items:
                seen = replace(seen, **{key: read(page.items[-1]) for key, read in moved.items()})
                events.append(Event(name, [shape(row) for row in page.items], seen))
            full = full or page.next is not None

        rows(
            "logs",
            queries.logs(session, job_id, ROWS_AT_ONCE, f"{seen.log_attempt}.{seen.log_line}"),
            schemas.log_line,
            log_attempt=lambda row: row.attempt,
            log_line=lambda row: row.number,
        )
        rows(
            "epochs",
            queries.epochs(session, job_id, ROWS_AT_ONCE, str(seen.epoch)),
            schemas.epoch,
            epoch=lambda row: row.epoch,
        )
        rows(
            "points",
            queries.metrics(session, job_id, ROWS_AT_ONCE, str(seen.step)),
            schemas.point,
            step=lambda row: row.step,
        )
        rows(
            "checkpoints",
            queries.artifacts(session, job_id, ROWS_AT_ONCE, str(seen.checkpoint)),
            schemas.checkpoint,
            checkpoint=lambda row: row.id,
        )
        evaluated = queries.evaluated_attempt(session, job_id)
        if evaluated > seen.evaluated:
            seen = replace(seen, evaluated=evaluated)
            events.append(Event("evaluation", {"attempt": evaluated}, seen))
        if not full:  # else the next look must find the rest
            seen = replace(seen, revision=job.revision)
        events.append(Event("job", schemas.whole_job(session, job, worker), seen))
    return events + (_end_if_over(job.state, seen) if not full else [])


def _moved_on(database: Database, job_id: int, seen: Position, waits: str) -> list[Event]:
    """The job again, where others have moved it on in the line: its own row did not change."""
    with database.reading() as session:
        told = schemas.whole_job(session, *queries.job(session, job_id))
    return [Event("job", told, seen)] if _turn(told) != waits else []


def timeless(status: dict[str, Any]) -> str:
    """Why a job waits, as text that changes with the line alone."""
    reason = from_json({"code": status["code"], "params": status["params"]})
    return stored(reason.timeless())


def _turn(job: dict[str, Any]) -> str | None:
    status = job["queue_status"]
    return timeless(status) if status else None


def _end_if_over(state: str, seen: Position) -> list[Event]:
    return [Event("end", {}, seen)] if state in FINAL else []
