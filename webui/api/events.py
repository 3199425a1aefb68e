"""The live stream of one run."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request, stream_with_context

from core import queries
from core.states import FINAL
from webui.api.blueprint import blueprint
from webui.context import current
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
