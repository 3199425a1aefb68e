"""Saved filters: listed, saved, removed."""

from __future__ import annotations

from flask import Response, jsonify

from core import saved_filters
from core.queries import Page
from webui import actions
from webui.api import shapes
from webui.api.blueprint import blueprint
from webui.api.description import Answer, Body, describe
from webui.api.requests import json_object, query_to_save
from webui.context import current


@blueprint.get("/filters")
@describe(shapes.Listing[shapes.FilterShape])
def filters() -> Response:
    """The filters that are saved, by their names."""
    with current().database.reading() as session:
        page = Page(saved_filters.of_owner(session, current().actor.name), None)
    return jsonify(shapes.Listing.of(page, shapes.FilterShape.model_validate).as_json())


@blueprint.post("/filters")
@describe(
    Answer((shapes.FilterShape,), status=201),
    body=Body(actions.FilterOptions, example={"name": "mine", "query": "owner=ada"}),
    problems=[409],
)
def save_filter() -> tuple[Response, int]:
    """Keep a view of the list under a name."""
    body = json_object()
    if "query" in body:
        body["query"] = query_to_save(body["query"])
    kept = actions.save_filter(current(), body)
    return jsonify(shapes.FilterShape.model_validate(kept).as_json()), 201


@blueprint.delete("/filters/<int:filter_id>")
@describe(shapes.FilterShape)
def remove_filter(filter_id: int) -> Response:
    """Forget a saved filter; the answer is the filter as it was."""
    kept = actions.remove_filter(current(), filter_id)
    return jsonify(shapes.FilterShape.model_validate(kept).as_json())
