"""Holds each answer against the OpenAPI document: a client whose answers must be described."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import Any

import jsonschema_rs
from flask import request
from flask.testing import FlaskClient

from webui.api.openapi import document_of

_WHOLE: dict[str, Any] = {}

_KNOWN: dict[tuple[str, str, str, str], jsonschema_rs.Validator] = {}
"""By method, path, status (or `body`) and media type: each application has the same document."""


class DocumentedClient(FlaskClient):
    """A client that refuses an answer of the API that the document does not describe."""

    def open(self, *args, **kwargs):
        """Ask, and hold the answer against the document."""
        answer = super().open(*args, **kwargs)
        refuse_undocumented(self.application, answer)
        return answer


@contextlib.contextmanager
def all_documented(app):
    """Everything that a served application is asked meanwhile, and answers, is as documented."""
    wrong: list[str] = []

    def note(answer):
        try:
            if answer.status_code < HTTPStatus.BAD_REQUEST:
                refuse_undocumented_request(app, request)
            refuse_undocumented(app, answer, request)
        except AssertionError as error:
            wrong.append(str(error))
        return answer

    app.after_request(note)
    yield
    assert not wrong, "\n".join(wrong)


def refuse_undocumented_request(app, asked):
    """Raise `AssertionError` where the document does not say that this can be asked."""
    matched = _matched(app, asked)
    if matched is None:
        return
    method, path = matched
    described = _whole(app)["paths"][path][method.lower()]
    known = {each["name"] for each in described["parameters"] if each["in"] == "query"}
    assert set(asked.args) <= known, f"{method} {path} knows no {set(asked.args) - known}"
    sent = asked.get_json(silent=True)
    if sent:  # an empty object is sent where there is nothing to say
        content = described.get("requestBody", {}).get("content", {})
        assert "application/json" in content, f"{method} {path} takes no body"
        _check((method, path, "body", "application/json"), content["application/json"], sent)


def refuse_undocumented(app, answer, asked=None):
    """Raise `AssertionError` where the document does not describe an answer."""
    matched = _matched(app, asked or answer.request)
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
