"""Workers, and the queues that they serve."""

from __future__ import annotations

from flask import Response, jsonify

from core import queries
from core.jobs.overview import overview
from webui import actions
from webui.api.answers import chosen
from webui.api.blueprint import blueprint
from webui.api.description import Body, describe
from webui.api.requests import FIELDS, PAGED, cursor, limit, options
from webui.api.shapes import Listing, QueueShape, WorkerShape
from webui.context import current


@blueprint.get("/workers")
@describe(Listing[WorkerShape], parameters=[*PAGED, FIELDS])
def workers() -> Response:
    """A page of workers: the live ones by their start, then the others, newest first."""
    with current().database.reading() as session:
        page = queries.workers(session, limit(), cursor())
        return chosen(Listing.of(page, WorkerShape.of), WorkerShape)


@blueprint.post("/workers/<which>/drain")
@describe(WorkerShape, body=Body(actions.ActionOptions, is_needed=False))
def drain_worker(which: str) -> Response:
    """Let the workers of a name claim nothing new; asking again changes nothing."""
    return _answer(actions.drain_worker(current(), which, options()))


@blueprint.post("/workers/<which>/resume")
@describe(WorkerShape, body=Body(actions.ActionOptions, is_needed=False))
def resume_worker(which: str) -> Response:
    """Let the workers of a name claim, and try again what they rest from."""
    return _answer(actions.resume_worker(current(), which, options()))


@blueprint.get("/queue")
@describe(QueueShape)
def queue() -> Response:
    """What waits in each queue and for what, and how the last day was."""
    with current().database.reading() as session:
        return jsonify(QueueShape.of(overview(session), queries.last_day(session)).as_json())


def _answer(worker_id: int) -> Response:
    with current().database.reading() as session:
        return jsonify(WorkerShape.of(queries.worker(session, worker_id)).as_json())
