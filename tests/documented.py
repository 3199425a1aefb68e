"""Holds what a client asks, and what it is answered, against the OpenAPI document of a server.

An answer that fits the document has no field that the document does not name: so a field that a
client reads is one of them.
"""

from __future__ import annotations

import json
import re

import jsonschema_rs

from cli import client as transport
from webui.api.openapi import document_of

OURS = "X-Request-ID"
"""Answers that lack it are of something between client and server."""


def watch(app, monkeypatch, *, refused_too):
    """Have all clients that are made from now on held against the document of an application.

    `refused_too`: whether a request that was refused must be one that the document knows as well.
    """
    document, make = Document(document_of(app), refused_too), transport.Client.__init__

    def checked(client, *arguments, **more):
        make(client, *arguments, **more)
        client._http.event_hooks = {"response": [document.check]}

    monkeypatch.setattr(transport.Client, "__init__", checked)
    return document


class Document:
    """The document, and which of its addresses were asked."""

    def __init__(self, whole, refused_too):
        self._whole = whole
        self._refused_too = refused_too
        self.asked = set()
        self._addresses = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in whole["paths"]
        ]

    def check(self, answer):
        """Raise `AssertionError` where an answer, or what was asked, is not in the document."""
        if OURS not in answer.headers:
            return
        request = answer.request
        path = self._path(request.url.path)
        described = self._whole["paths"][path].get(request.method.lower())
        assert described is not None, f"{request.method} {path} is not in the document"
        self.asked.add(f"{request.method} {path.removeprefix('/api/v1')}")
        if self._refused_too or not answer.is_error:
            self._check_query(described, request)
            self._check_body(described, request)
        self._check_answer(described, answer)

    def _path(self, asked):
        found = [path for pattern, path in self._addresses if pattern.fullmatch(asked)]
        assert found, f"{asked} is not in the document"
        return min(found, key=lambda path: path.count("{"))

    def _check_query(self, described, request):
        known = {each["name"]: each for each in described["parameters"] if each["in"] == "query"}
        for name, text in request.url.params.multi_items():
            assert name in known, f"{request.method} {request.url.path} knows no {name}"
            self._check(known[name]["schema"], _value(known[name], text), f"{name}={text}")

    def _check_body(self, described, request):
        sent = request.read()
        taken = described.get("requestBody", {"required": False, "content": {}})
        if not sent or (sent == b"{}" and not taken["content"]):  # there is nothing to say
            assert not taken["required"], f"{request.url.path} needs a body"
            return
        media = request.headers["Content-Type"]
        assert media in taken["content"], f"{request.url.path} takes no {media}"
        self._check(taken["content"][media]["schema"], json.loads(sent), "the body")

    def _check_answer(self, described, answer):
        where = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
        assert str(answer.status_code) in described["responses"], where
        content = described["responses"][str(answer.status_code)].get("content", {})
        media = answer.headers.get("Content-Type", "").partition(";")[0]
        assert media in content or not content, f"{where}: {media}"
        if media.endswith("json"):
            self._check(content[media]["schema"], json.loads(answer.read()), where)

    def _check(self, schema, value, what):
        whole = {**schema, "components": self._whole["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole)
        wrong = [
            f"{[*each.instance_path]}: {each.message}" for each in validator.iter_errors(value)
        ]
        assert wrong == [], f"{what}: {wrong[:5]}"


def _value(parameter, text):
    """What a text in a query stands for, by its schema."""
    kind = parameter["schema"].get("type")
    if kind == "array":
        return [text] if parameter.get("explode", True) else text.split(",")
    if kind in ("integer", "number", "boolean"):
        return json.loads(text)
    return text
