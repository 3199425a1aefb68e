"""What happens: the live stream of one run, that of all runs, and the history of one."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request, stream_with_context

from core import queries
from core.jobs import events as job_events
from core.states import FINAL
from webui.api.blueprint import blueprint
from webui.api.jobs import rows_of_job
from webui.api.shapes import EventShape
from webui.context import current
from webui.live.history import event_id, history
from webui.live.position import Position
from webui.live.stream import stream


@blueprint.get("/jobs/<int:job_id>/events")
def events(job_id: int) -> Response:
    """What is new about a run, and then what happens, until it has ended."""
    context = current()
    seen = last_event_id()
    position = Position.parse(seen) if seen else Position()
    with context.database.reading() as session:
        job, _ = queries.job(session, job_id)
    if seen and job.state in FINAL and job.revision == position.revision:
        return Response(status=204)  # tells a browser not to connect again
    return event_stream(stream(context.database, context.watchers, job_id, position))


@blueprint.get("/jobs/<int:job_id>/events/history")
def history_of_job(job_id: int) -> Response:
    """A page of what has happened to a run, first to last."""
    return rows_of_job(job_id, queries.events, EventShape.of)


@blueprint.get("/events")
def all_events() -> Response:
    """What happens to all runs, after an event, or from now on."""
    context = current()
    seen = last_event_id()
    after = event_id(seen) if seen else _newest()
    return event_stream(history(context.database, context.watchers, after))


def _newest() -> int:
    with current().database.reading() as session:
        return job_events.newest_id(session)


def last_event_id() -> str | None:
    """How far the asker has come; `after` stands in for what a page cannot set itself."""
    return request.headers.get("Last-Event-ID") or request.args.get("after")


def event_stream(chunks: Iterator[str]) -> Response:
    """Server-sent events as an answer."""
    return Response(
        stream_with_context(chunks),
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
