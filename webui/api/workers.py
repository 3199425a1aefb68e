"""Workers."""

from __future__ import annotations

from flask import Response, jsonify

from core import queries
from webui import actions
from webui.api.blueprint import blueprint
from webui.api.requests import cursor, limit
from webui.api.shapes import Listing, WorkerShape
from webui.context import current


@blueprint.get("/workers")
def workers() -> Response:
    """A page of workers: the live ones by their start, then the others, newest first."""
    with current().database.reading() as session:
        page = queries.workers(session, limit(), cursor())
        return jsonify(Listing.of(page, WorkerShape.of).as_json())


@blueprint.post("/workers/<int:worker_id>/resume")
def resume_worker(worker_id: int) -> Response:
    """Let a worker try again what it rests from; asking again changes nothing."""
    actions.resume_worker(current(), worker_id)
    with current().database.reading() as session:
        return jsonify(WorkerShape.of(queries.worker(session, worker_id)).as_json())
