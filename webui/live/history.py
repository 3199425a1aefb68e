"""The live stream of what happens to all jobs: each event of their history, by its id."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence

from core.database.engine import Database
from core.errors import DatabaseUnavailable, InvalidInput
from core.jobs import events
from core.messages import message
from webui.api.shapes import EventShape
from webui.live.stream import HEARTBEAT_S, LOOK_AT_MOST_EVERY_S, LOOK_EVERY_S, RETRY
from webui.live.watchers import ALL_JOBS, Watchers

ROWS_AT_ONCE = 1000
LARGEST_DIGITS = 18


def event_id(text: str) -> int:
    """Read the id of an event.

    Raises:
        InvalidInput: the text is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= LARGEST_DIGITS):
        raise InvalidInput.one("after", message("input.event_id"))
    return int(text)


def history(database: Database, watchers: Watchers, after: int) -> Iterator[str]:
    """The events of all jobs after one, and then those that follow, until the server stops."""
    yield RETRY
    last_sent = time.monotonic()
    with watchers.watching(ALL_JOBS) as changed:
        while True:
            changed.clear()  # before the look: a stop or a change in between is not missed
            if watchers.stopping:
                return
            try:
                happened = _after(database, after)
            except DatabaseUnavailable:
                yield ": the database is away\n\n"
                happened = []
            for event in happened:
                yield _encode(event)
                after, last_sent = event.id, time.monotonic()
            if len(happened) == ROWS_AT_ONCE:
                continue
            watchers.pause(LOOK_AT_MOST_EVERY_S)  # many changes make one look
            if not happened and time.monotonic() - last_sent > HEARTBEAT_S:
                yield ": still here\n\n"  # a write is how a lost viewer is noticed
                last_sent = time.monotonic()
            if not changed.is_set():
                changed.wait(LOOK_EVERY_S)


def _after(database: Database, event_id: int) -> Sequence[EventShape]:
    with database.reading() as session:
        rows = events.after(session, event_id, ROWS_AT_ONCE)
        return [EventShape.of(row) for row in rows]


def _encode(event: EventShape) -> str:
    data = json.dumps(event.as_json(), separators=(",", ":"))
    return f"id: {event.id}\nevent: happened\ndata: {data}\n\n"
