"""Answers as they are asked for: some fields alone, or nothing where the asker has it already."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Response, jsonify, request

from core.errors import InvalidInput
from core.messages import message
from webui.api.blueprint import blueprint
from webui.api.description import JSON as JSON_TYPE
from webui.api.requests import several
from webui.api.shapes import Listing, Shape


def chosen(shape: Shape, model: type[Shape]) -> Response:
    """An answer, or of it the fields that are asked for; of a list those of each item.

    Raises:
        InvalidInput: there is no such field.
    """
    names = several("fields")
    known = list(model.model_fields)
    if not set(names) <= set(known):
        raise InvalidInput.one("fields", message("input.one_of", choices=known))
    whole = shape.as_json()
    if not names:
        return jsonify(whole)
    if isinstance(shape, Listing):
        return jsonify(whole | {"items": [_part(item, names) for item in whole["items"]]})
    return jsonify(_part(whole, names))


def _part(whole: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: whole[name] for name in names}


@blueprint.after_request
def _tag(response: Response) -> Response:
    """Give what is read a tag, and send nothing to whoever has it already."""
    is_json = response.mimetype == JSON_TYPE and response.status_code == HTTPStatus.OK
    if request.method != "GET" or not is_json or response.is_streamed:
        return response
    digest = hashlib.sha256(response.get_data()).hexdigest()[:32]
    response.set_etag(digest, weak=True)
    return _unless_known(response)


def _unless_known(response: Response) -> Response:
    answer = response.make_conditional(request.environ)
    assert isinstance(answer, Response)
    return answer
