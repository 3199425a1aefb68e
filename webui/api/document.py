"""The OpenAPI document: made from the routes, what is said beside them, and the pydantic models.

What all addresses have alike is said here once: the problems, by what an address has (a body,
places, a need), and the links from a run that was submitted to what can be asked of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from inspect import getdoc
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from core import versions
from core.database.models import LARGEST_KEY
from core.spec.spec import TrainingSpec
from webui.access import NEEDS, OF_ACCOUNTS, SCOPES_OF, Need
from webui.api import shapes
from webui.api.description import Answer, Body, Description, Parameter, description_of

JSON = dict[str, Any]

OF_API = ("/api/v1", "/healthz", "/readyz")
PROBLEM = "application/problem+json"
_REF = "#/components/schemas/{model}"
_PLACE = re.compile(r"<(?:([^:<>]+):)?(\w+)>")

_TITLE = "Trainyard"
_ABOUT = (
    "Submit runs, watch them, fetch what they leave. A server without accounts asks for no token; "
    "one with accounts wants one in the header `Authorization`."
)
_ABOUT_PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "The body is no JSON, or the host is not known here.",
    HTTPStatus.UNAUTHORIZED: "No token was shown, or one that does not hold.",
    HTTPStatus.FORBIDDEN: "Whoever asks may not, or it comes from a page of another site.",
    HTTPStatus.NOT_FOUND: "There is nothing of this number or name.",
    HTTPStatus.CONFLICT: "It does not fit the state of what is there.",
    HTTPStatus.GONE: "It is of another database, or of another file.",
    HTTPStatus.PRECONDITION_FAILED: "There is another file than the one named.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not declared as JSON.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The range lies outside the file.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A field is wrong; `errors` names each.",
    HTTPStatus.FAILED_DEPENDENCY: "It could not be made; the code says why.",
    HTTPStatus.TOO_MANY_REQUESTS: "It was asked for too often.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database or the storage is away.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of an address, and what was said of it."""

    rule: Rule
    method: str
    summary: str
    description: Description

    @property
    def path(self) -> str:
        """The address, with its places as OpenAPI writes them."""
        return _PLACE.sub(r"{\2}", self.rule.rule)

    @property
    def name(self) -> str:
        """What it is called: by its endpoint."""
        endpoint: str = self.rule.endpoint
        return endpoint.removeprefix("api.").replace(".", "_")

    @property
    def need(self) -> Need:
        """What somebody must be for it."""
        return NEEDS[self.rule.endpoint]


def operations(app: Flask) -> list[Operation]:
    """Every address of the API, in the order of their paths.

    Raises:
        LookupError: one lacks its description.
    """
    found = [_operation(app, *each) for each in _addresses(app)]
    return sorted(found, key=lambda each: (each.path, each.method))


def document(app: Flask) -> JSON:
    """The OpenAPI document of an application.

    Raises:
        LookupError: an address lacks its description.
    """
    found = operations(app)
    paths: JSON = {}
    for each in found:
        paths.setdefault(each.path, {})[each.method.lower()] = _as_json(each, found)
    security = {"token": {"type": "http", "scheme": "bearer", "description": "Made on My account."}}
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": versions.own(), "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": _schemas(found), "securitySchemes": security},
    }


def _addresses(app: Flask) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(OF_API):
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield rule, method


def _operation(app: Flask, rule: Rule, method: str) -> Operation:
    view = app.view_functions[rule.endpoint]
    found = description_of(view)
    if found is None:
        raise LookupError(f"nothing says what {rule.endpoint} takes and answers")
    return Operation(rule, method, getdoc(view) or "", found)


def _as_json(each: Operation, others: Sequence[Operation]) -> JSON:
    summary, _, more = each.summary.partition("\n\n")
    found: JSON = {
        "operationId": each.name,
        "summary": " ".join(summary.split()),
        "tags": [_tag(each)],
        "parameters": [*_places(each.rule), *map(_parameter, each.description.parameters)],
        "responses": _responses(each, others),
    }
    if more:
        found["description"] = " ".join(more.split())
    if _has_tag(each):
        found["parameters"].append(_parameter(_IF_NONE_MATCH))
    if each.description.body:
        found["requestBody"] = _body(each.description.body)
    if each.description.is_former:
        found["deprecated"] = True
    if each.need is not Need.NOTHING:
        # without accounts nobody has a token
        found["security"] = [{"token": [SCOPES_OF.get(each.need, "read")]}, {}]
    return found


def _tag(each: Operation) -> str:
    """What it is about: the first word of its path."""
    return each.path.removeprefix("/api/v1").strip("/").split("/")[0].split(".")[0]


def _places(rule: Rule) -> Iterator[JSON]:
    for kind, name in _PLACE.findall(rule.rule):
        schema: JSON = {"type": "string", "minLength": 1}
        if kind == "int":
            schema = {"type": "integer", "minimum": 0, "maximum": LARGEST_KEY}
        if kind.startswith("string(length="):
            length = int(kind.removeprefix("string(length=").removesuffix(")"))
            schema |= {"minLength": length, "maxLength": length}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(each: Parameter) -> JSON:
    found: JSON = {
        "name": each.name,
        "in": each.place,
        "description": each.about,
        "schema": dict(each.schema),
    }
    if each.is_needed:
        found["required"] = True
    if each.schema.get("type") == "array":
        found |= {"style": "form", "explode": each.is_repeated}
    return found


def _body(body: Body) -> JSON:
    schema = _reference(body.model) if body.model else _part_of_spec(body.parts)
    content: JSON = {"schema": schema}
    if body.example:
        content["example"] = dict(body.example)
    return {"required": body.is_needed, "content": {"application/json": content}}


def _part_of_spec(parts: Sequence[str]) -> JSON:
    fields = _of_models((TrainingSpec,), "validation")["TrainingSpec"]["properties"]
    return {
        "type": "object",
        "properties": {name: fields[name] for name in parts},
        "additionalProperties": False,
    }


def _responses(each: Operation, others: Sequence[Operation]) -> JSON:
    found: JSON = {}
    for answer in each.description.answers:
        whole = found.setdefault(str(int(answer.status)), _response(answer))
        if answer.media:
            whole.setdefault("content", {}).update(_content(each, answer))
        if each.name == "submit":
            whole["links"] = _links(others)
    if _has_tag(each):
        found["304"] = {"description": "The answer is that of the tag."}
        found["200"]["headers"] = {"ETag": {"schema": {"type": "string"}}}
    return found | {str(status): _problem(status) for status in _problems(each)}


_IF_NONE_MATCH = Parameter(
    "If-None-Match", {"type": "string"}, "The `ETag` of the answer that you have.", "header"
)


def _has_tag(each: Operation) -> bool:
    """Whether its answer has a tag (`answers.py`)."""
    answers = each.description.answers
    is_json = any(answer.media == "application/json" for answer in answers)
    return each.method == "GET" and each.rule.endpoint.startswith("api.") and is_json


def _response(answer: Answer) -> JSON:
    headers = {name: {"schema": {"type": "string"}} for name in answer.headers}
    more = {"headers": headers} if headers else {}
    return {"description": HTTPStatus(answer.status).phrase, **more}


def _content(each: Operation, answer: Answer) -> JSON:
    if not answer.models:
        return {answer.media: {"schema": {}}}
    found = [_reference(model) for model in answer.models]
    if _can_choose(each):
        found += [_reference(model, _CHOSEN) for model in answer.models]
    return {answer.media: {"schema": found[0] if len(found) == 1 else {"anyOf": found}}}


def _links(others: Sequence[Operation]) -> JSON:
    """From a run that was submitted to everything that has its number in the address."""
    return {
        each.name: {"operationId": each.name, "parameters": {"job_id": "$response.body#/id"}}
        for each in others
        if "{job_id}" in each.path
    }


def _problem(status: int) -> JSON:
    schema = {"$ref": _REF.format(model="Problem")}
    about = _ABOUT_PROBLEMS[HTTPStatus(status)]
    return {"description": about, "content": {PROBLEM: {"schema": schema}}}


def _problems(each: Operation) -> list[int]:
    """The statuses of its errors: those of all addresses like it, and its own."""
    about = each.description
    found = {400, 429, 503, *about.problems}
    if each.need is not Need.NOTHING:
        found |= {401, 403}
    if each.method != "GET":
        found.add(403)
    if _PLACE.search(each.rule.rule) or each.rule.endpoint in OF_ACCOUNTS:
        found.add(404)
    if about.parameters or about.body:
        found.add(422)
    if about.body:
        found |= {413, 415}
    return sorted(found)


_CHOSEN = "Chosen"
"""How the shapes end of which an answer has the fields alone that were asked for."""


def _reference(model: type[BaseModel], more: str = "") -> JSON:
    return {"$ref": _REF.format(model=_name(model) + more)}


def _name(model: type[BaseModel]) -> str:
    """What pydantic calls it among the schemas."""
    return re.sub(r"[^a-zA-Z0-9.\-_]", "_", model.__name__)


def _schemas(found: Sequence[Operation]) -> JSON:
    answered = {model for each in found for model in _models(each)}
    bodies = {each.description.body.model for each in found if each.description.body} - {None}
    answers = _of_models(_sorted(answered | {shapes.Problem}), "serialization")
    taken = _of_models(_sorted(bodies | {TrainingSpec}), "validation")
    chosen: JSON = {}
    for each in found:
        if _can_choose(each):
            for model in _models(each):
                chosen |= _with_chosen_fields(answers, _name(model))
    return dict(sorted({**answers, **taken, **chosen}.items()))


def _models(each: Operation) -> Iterator[type[BaseModel]]:
    for answer in each.description.answers:
        yield from answer.models


def _can_choose(each: Operation) -> bool:
    return any(parameter.name == "fields" for parameter in each.description.parameters)


def _sorted(models: set[Any]) -> tuple[type[BaseModel], ...]:
    return tuple(sorted(models, key=_name))


@cache
def _of_models(models: tuple[type[BaseModel], ...], mode: Any) -> Mapping[str, Any]:
    _, found = models_json_schema([(each, mode) for each in models], ref_template=_REF)
    schemas: JSON = found["$defs"]
    return schemas


def _with_chosen_fields(schemas: Mapping[str, Any], name: str) -> JSON:
    """A shape of which any field may lack; of a list, each of its items."""
    whole = schemas[name]
    item = whole["properties"].get("items", {}).get("items", {}).get("$ref")
    if item is None:
        return {name + _CHOSEN: {key: value for key, value in whole.items() if key != "required"}}
    items = {"type": "array", "items": {"$ref": item + _CHOSEN}}
    changed = whole | {"properties": whole["properties"] | {"items": items}}
    return {name + _CHOSEN: changed, **_with_chosen_fields(schemas, item.rsplit("/", 1)[1])}
