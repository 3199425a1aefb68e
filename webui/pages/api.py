"""The API, to be read by people: what the OpenAPI document says to programs.

It is written by the server from that document: nothing is loaded from elsewhere, and no script of
others runs under our policy (decision 26).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import current_app, render_template

from webui.api.openapi import document_of
from webui.pages.blueprint import blueprint

JSON = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A value that is sent or answered."""

    name: str
    kind: str
    is_needed: bool
    about: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An address as the page shows it."""

    method: str
    path: str
    name: str
    tag: str
    summary: str
    about: str
    scope: str
    is_former: bool
    parameters: Sequence[tuple[str, Field]]
    body: Sequence[Field]
    answers: Sequence[tuple[str, str, str]]
    """Status, what it is, and the name of its shape."""


@blueprint.get("/api")
def api() -> str:
    """The page."""
    whole = document_of(current_app)
    shown = sorted(_addresses(whole), key=lambda each: each.tag)
    groups = [(tag, list(found)) for tag, found in groupby(shown, key=lambda each: each.tag)]
    shapes = [
        (name, schema, _fields(schema))
        for name, schema in whole["components"]["schemas"].items()
        if schema.get("properties") and not name.endswith("Chosen")
    ]
    return render_template("api/page.html", groups=groups, shapes=shapes)


def _addresses(whole: JSON) -> Iterator[Shown]:
    schemas = whole["components"]["schemas"]
    for path, methods in whole["paths"].items():
        for method, said in methods.items():
            yield Shown(
                method=method.upper(),
                path=path,
                name=said["operationId"],
                tag=said["tags"][0],
                summary=said["summary"],
                about=said.get("description", ""),
                scope=next(iter(said.get("security", [{}])[0].get("token", [])), ""),
                is_former=said.get("deprecated", False),
                parameters=[(each["in"], _parameter(each)) for each in said["parameters"]],
                body=_body(said, schemas),
                answers=[_answer(status, each) for status, each in said["responses"].items()],
            )


def _parameter(each: JSON) -> Field:
    about = each.get("description", "")
    return Field(each["name"], _kind(each["schema"]), each.get("required", False), about)


def _body(said: JSON, schemas: JSON) -> Sequence[Field]:
    schema = said.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = schema.get("schema", {})
    return _fields(schemas[_last(schema["$ref"])] if "$ref" in schema else schema)


def _answer(status: str, answer: JSON) -> tuple[str, str, str]:
    kinds = [
        each["schema"] or {"title": media} for media, each in answer.get("content", {}).items()
    ]
    names = [_kind(each) for each in kinds if each]
    return status, answer["description"], ", ".join(each for each in names if "Chosen" not in each)


def _fields(schema: JSON) -> list[Field]:
    needed = schema.get("required", [])
    return [
        Field(name, _kind(each), name in needed, each.get("description", ""))
        for name, each in schema.get("properties", {}).items()
    ]


def _kind(schema: JSON) -> str:
    """What a value is, in a few words."""
    if "$ref" in schema:
        return _last(schema["$ref"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            kinds = dict.fromkeys(_kind(each) for each in schema[several])
            return " | ".join(each for each in kinds if not each.endswith("Chosen"))
    if schema.get("type") == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    return str(schema.get("format") or schema.get("type") or schema.get("title") or "any")


def _last(reference: str) -> str:
    return reference.rsplit("/", 1)[1]
