"""The live stream of one run."""

from __future__ import annotations

import time
from collections.abc import Iterator

from core import queries
from core.database.engine import Database
from core.errors import DatabaseUnavailable
from core.logs import bound
from webui.api import shapes
from webui.live.news import Event, news
from webui.live.position import Position
from webui.live.watchers import Watchers

LOOK_EVERY_S = 2.0
LOOK_AT_MOST_EVERY_S = 0.1
HEARTBEAT_S = 10.0
RECONNECT_AFTER_MS = 1500
RETRY = f"retry: {RECONNECT_AFTER_MS}\n\n"


def stream(
    database: Database, watchers: Watchers, job_id: int, position: Position
) -> Iterator[str]:
    """Everything about a job after `position`, then what happens.

    It ends once the job has and all of it was sent, and without an `end` where the server stops.

    Yields:
        The time after which to connect again; comments, where nothing was sent for long or the
        database is away; and events: `job` (the job, also where only its place in the line has
        changed), `epochs`, `metrics`, `logs`, `artifacts`, `history` (lists of
        new rows), `evaluation` (there is one), `reset` (epochs and metrics shown so far are void:
        training starts over), `end`. `points` and `checkpoints` bring metrics and artifacts by
        the names of version 0.1.
    """
    yield RETRY
    last_sent = time.monotonic()
    sent: str | None = None  # the key of why it waits, as it was last sent
    with bound(job_id=job_id), watchers.watching(job_id) as changed:
        while True:
            changed.clear()  # before the look: a stop or a change in between is not missed
            if watchers.stopping:
                return
            before = position
            try:
                events = news(database, job_id, position)
                if not events and sent is not None:
                    events = _moved_on(database, job_id, position, sent)
            except DatabaseUnavailable:
                yield ": the database is away\n\n"
                events = []
            for event in events:
                position = event.position
                yield event.encode()
                last_sent = time.monotonic()
                sent = _waiting_key(event.data) if event.name == "job" else sent
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


def _moved_on(database: Database, job_id: int, seen: Position, sent: str) -> list[Event]:
    """The job again, where others have moved it on in the line: its own row did not change."""
    with database.reading() as session:
        job = shapes.whole_job(session, *queries.job(session, job_id)).as_json()
    return [Event("job", job, seen)] if _waiting_key(job) != sent else []


def _waiting_key(job: shapes.JSON) -> str | None:
    status = job["queue_status"]
    return status["key"] if status else None
