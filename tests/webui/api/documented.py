"""Holds each answer against the OpenAPI document: a client whose answers must be described."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from flask.testing import FlaskClient

from webui.api.openapi import document_of

_WHOLE: dict[str, Any] = {}

_KNOWN: dict[tuple[str, str, str, str], jsonschema_rs.Validator] = {}
"""By method, path, status and media type: each application has the same document."""


class DocumentedClient(FlaskClient):
    """A client that refuses an answer of the API that the document does not describe."""

    def open(self, *args, **kwargs):
        """Ask, and hold the answer against the document."""
        answer = super().open(*args, **kwargs)
        refuse_undocumented(self.application, answer)
        return answer


def refuse_undocumented(app, answer):
    """Raise `AssertionError` where the document does not describe an answer."""
    matched = _matched(app, answer.request)
    if matched is None:
        return
    whole = _whole(app)
    method, path = matched
    answers = whole["paths"][path][method.lower()]["responses"]
    described = answers.get(str(answer.status_code))
    assert described is not None, (
        f"{method} {path} does not say that it answers {answer.status_code}"
    )
    media = (answer.content_type or "").partition(";")[0]
    if answer.status_code in (204, 304):
        return
    assert media in described.get("content", {}), f"{method} {path} {answer.status_code}: {media}"
    if media.endswith("json") and "Content-Encoding" not in answer.headers:
        key = (method, path, str(answer.status_code), media)
        _check(key, described["content"][media], answer.get_json())


def _whole(app):
    """The document, which is the same for each application."""
    if not _WHOLE:
        _WHOLE.update(document_of(app))
    return _WHOLE


def _matched(app, request):
    adapter = app.url_map.bind("localhost")
    try:
        rule, _ = adapter.match(request.path, request.method, return_rule=True)
    except Exception:  # noqa: BLE001  # no address of ours
        return None
    if request.method in ("HEAD", "OPTIONS"):
        return None
    path = rule.rule
    for converter in ("int:", "string(length=64):"):
        path = path.replace(f"<{converter}", "{")
    path = path.replace("<", "{").replace(">", "}")
    return (request.method, path) if path in _whole(app)["paths"] else None


def _check(key, described, sent):
    validator = _KNOWN.get(key)
    if validator is None:
        schema = {**described["schema"], "components": _WHOLE["components"]}
        validator = _KNOWN[key] = jsonschema_rs.Draft202012Validator(schema)
    wrong = [f"{list(each.instance_path)}: {each.message}" for each in validator.iter_errors(sent)]
    assert wrong == [], f"{key}: {wrong[:5]}"
