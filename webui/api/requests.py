"""Reading what a program asks for: JSON bodies, limits and cursors of lists."""

from __future__ import annotations

import json
from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from core import queries
from core.errors import InvalidInput
from core.messages import message


def json_object() -> dict[str, Any]:
    """The body, which must be a JSON object that names no field twice."""
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON, with the header Content-Type: application/json.")
    try:
        body = json.loads(request.get_data(), object_pairs_hook=_without_duplicates)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None
    if not isinstance(body, dict):
        raise InvalidInput.one("body", message("input.json_object"))
    return body


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a field that is given twice: which of the two is meant cannot be known."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise InvalidInput.one(name or "body", message("input.duplicate_field"))
        fields[name] = value
    return fields


def options() -> dict[str, Any]:
    """A JSON object that may be left out."""
    return json_object() if request.get_data() else {}


def limit() -> int:
    """How many rows of a list are asked for."""
    text = request.args.get("limit", str(queries.DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput.one("limit", message("input.limit", most=queries.LARGEST_LIMIT))
    return int(text)


def cursor() -> str:
    """Where a page of a list begins."""
    return request.args.get("cursor", "")
