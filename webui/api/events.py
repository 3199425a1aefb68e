"""What happens: the live streams of one run, of several, of all, and the history of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask import Response, request

from core import queries
from core.database.instance import instance_of
from core.errors import Gone, InvalidInput
from core.jobs import events as job_events
from core.messages import message
from core.states import FINAL
from webui.access import proof_of_request
from webui.api.blueprint import blueprint
from webui.api.description import STREAM, Answer, Parameter, describe
from webui.api.jobs import rows_of_job
from webui.api.requests import PAGED
from webui.api.shapes import EventShape, Listing
from webui.context import current
from webui.live.position import Position
from webui.live.subscription import ENVIRON, MOST_JOBS, Subscription, Watched, event_id, watched

_POSITION = {"type": "string"}
AFTER = Parameter("after", _POSITION, "The id of the last event that was seen.")
LAST_EVENT_ID = Parameter("Last-Event-ID", _POSITION, "The same, as browsers send it.", "header")
JOBS = Parameter(
    "job",
    {"type": "array", "items": {"type": "string"}, "maxItems": MOST_JOBS},
    "A run's number, or that with `@` and a position.",
    is_repeated=True,
)
EVENTS = Parameter("events", _POSITION, "The history of all runs, after this event.")


@blueprint.get("/jobs/<int:job_id>/events")
@describe(
    Answer(media=STREAM),
    Answer(media="", status=204),
    parameters=[AFTER, LAST_EVENT_ID],
    problems=[410],
)
def events(job_id: int) -> Response:
    """What is new about a run, and then what happens, until it has ended."""
    seen = last_event_id()
    position = Position.parse(seen) if seen else Position()
    with current().database.reading() as session:
        if not position.is_of(instance_of(session)):
            raise Gone(message("request.other_instance"))
        job, _ = queries.job(session, job_id)
    if seen and job.state in FINAL and job.revision == position.revision:
        return Response(status=204)  # tells a browser not to connect again
    return event_stream([Watched(job_id, position)])


@blueprint.get("/jobs/<int:job_id>/events/history")
@describe(Listing[EventShape], parameters=PAGED)
def history_of_job(job_id: int) -> Response:
    """A page of what has happened to a run, first to last."""
    return rows_of_job(job_id, queries.events, EventShape.of)


@blueprint.get("/events")
@describe(Answer(media=STREAM), parameters=[AFTER, LAST_EVENT_ID])
def all_events() -> Response:
    """What happens to all runs, after an event, or from now on."""
    return event_stream(after=_after(last_event_id(), _newest()))


@blueprint.get("/streams")
@describe(Answer(media=STREAM), parameters=[JOBS, EVENTS])
def streams() -> Response:
    """Several streams over one connection: of some runs, and of all of them."""
    newest = _newest()  # 503 where the database is away, whatever is asked for
    jobs = watched(request.args.getlist("job"))
    after = _after(request.args["events"], newest) if "events" in request.args else None
    if not jobs and after is None:
        raise InvalidInput.one("job", message("input.required"))
    return event_stream(_seen(jobs), after, is_multiplexed=True)


def _seen(jobs: Sequence[Watched]) -> list[Watched]:
    """What is watched; a private run of somebody else is as one that is not there."""
    parts = current()
    if parts.seen_by is None:
        return list(jobs)
    with parts.database.reading() as session:
        ids = [each.job_id for each in jobs]
        known = {job.id for job in queries.jobs_by_id(session, ids, parts.seen_by)}
    return [each if each.job_id in known else replace(each, job_id=0) for each in jobs]


def _newest() -> int:
    with current().database.reading() as session:
        return job_events.newest_id(session)


def _after(seen: str | None, newest: int) -> int:
    """Where the history continues: after an event that was seen, or at its end."""
    return min(event_id(seen), newest) if seen else newest


def last_event_id() -> str | None:
    """How far the asker has come; `after` stands in for what a page cannot set itself."""
    return request.headers.get("Last-Event-ID") or request.args.get("after")


def event_stream(
    jobs: Sequence[Watched] = (), after: int | None = None, *, is_multiplexed: bool = False
) -> Response:
    """The head of a stream of server-sent events; the server makes its body (`webui/bridge.py`)."""
    request.environ[ENVIRON] = Subscription(
        jobs, after, is_multiplexed, seen_by=current().seen_by, proof=proof_of_request()
    )
    return Response(
        iter(()),  # of no length that is known
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
