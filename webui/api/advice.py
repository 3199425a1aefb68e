"""What the coach says about a run."""

from __future__ import annotations

from flask import Response, jsonify

from core import coach, queries
from webui.api import shapes
from webui.api.blueprint import blueprint
from webui.api.description import describe
from webui.context import current
from webui.forms.cloning import clone_of


@blueprint.get("/jobs/<int:job_id>/advice")
@describe(shapes.AdvicesShape)
def advice(job_id: int) -> Response:
    """What the coach says about a run, each with its evidence and a corrected clone."""
    with current().database.reading(repeatable=True) as session:
        run = queries.coached(session, job_id, current().seen_by)
    items = [
        shapes.AdviceShape.of(each, clone_of(job_id, each.changes)) for each in coach.advise(run)
    ]
    return jsonify(shapes.AdvicesShape(items=items).as_json())
