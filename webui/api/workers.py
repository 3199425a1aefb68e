"""Workers."""

from __future__ import annotations

from flask import Response, jsonify

from core import queries
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
