"""What is asked of several runs at once: cancel, retry, tag."""

from __future__ import annotations

from flask import Response, jsonify

from webui import actions
from webui.actions import Many
from webui.api import shapes
from webui.api.blueprint import blueprint
from webui.api.description import Body, describe
from webui.api.requests import json_object
from webui.context import current


@blueprint.post("/jobs/cancel")
@describe(shapes.ManyShape, body=Body(actions.ManyOptions))
def cancel_many() -> Response:
    """Ask that several runs be cancelled."""
    return _many(actions.cancel_many(current(), json_object()))


@blueprint.post("/jobs/retry")
@describe(shapes.ManyShape, body=Body(actions.ManyOptions))
def retry_many() -> Response:
    """Give several failed runs another try."""
    return _many(actions.retry_many(current(), json_object()))


@blueprint.post("/jobs/tag")
@describe(shapes.ManyShape, body=Body(actions.TagOptions))
def tag_many() -> Response:
    """Give several runs some tags, and take others away."""
    return _many(actions.tag_many(current(), json_object()))


def _many(many: Many) -> Response:
    refused = [shapes.RefusedShape.of(*each) for each in many.refused]
    return jsonify(shapes.ManyShape(done=list(many.done), refused=refused).as_json())
