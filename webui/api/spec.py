"""What can be asked for: the spec, and what its network looks like."""

from __future__ import annotations

from flask import Response, jsonify

from core.datasets.builtin import DATASETS
from core.spec import spec
from core.spec.presets import PRESETS
from webui import networks
from webui.api.blueprint import blueprint
from webui.api.description import Body, describe
from webui.api.requests import json_object
from webui.api.shapes import NetworkShape, SpecShape


@blueprint.get("/spec")
@describe(SpecShape)
def spec_schema() -> Response:
    """The JSON Schema of a spec, the presets, and the datasets with their facts."""
    shape = SpecShape.of(spec.schema(), PRESETS.values(), DATASETS.values())
    return jsonify(shape.as_json())


@blueprint.post("/network")
@describe(NetworkShape, body=Body(parts=networks.PARTS, example={"dataset": "digits"}))
def network() -> Response:
    """What the network of a `dataset` and a `model` looks like; nothing is queued."""
    return jsonify(NetworkShape.model_validate(networks.summarize(json_object())).as_json())
