"""The description of the API, for programs: what it takes and answers, as OpenAPI 3.1."""

from __future__ import annotations

from flask import Flask, Response, current_app, jsonify

from webui.api.blueprint import blueprint
from webui.api.description import Answer, describe
from webui.api.document import JSON, document

_KEPT = "trainyard.openapi"


@blueprint.get("/openapi.json")
@describe(Answer(media="application/json"))
def openapi() -> Response:
    """This description of all addresses, as OpenAPI 3.1."""
    return jsonify(document_of(current_app))


def document_of(app: Flask) -> JSON:
    """The document of an application, made once."""
    made: JSON = app.extensions.get(_KEPT) or document(app)
    app.extensions[_KEPT] = made
    return made
