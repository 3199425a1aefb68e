"""How the devices are shared: what everybody uses and may use, and where that is changed."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for

from core import formats
from core.errors import FieldError, InvalidInput
from core.jobs.sharing import EVERYBODY
from core.spec import numbers
from core.spec.validation import WrongValue
from webui import actions
from webui.api.shapes import JSON
from webui.api.sharing import shared
from webui.context import current
from webui.pages.blueprint import blueprint

GIGABYTE = 10**9

_KINDS: dict[str, type[int | float]] = {
    "most_running": int,
    "most_queued": int,
    "device_hours_a_week": float,
    "storage_gb": float,
}
"""The fields of the form, and what is typed into each."""


@blueprint.get("/sharing")
def sharing() -> str:
    """Everybody's use and limits, and a form with those of whom `owner` names."""
    owner = request.args.get("owner", EVERYBODY)
    return _page(owner, None, {})


@blueprint.post("/sharing")
def save_limits() -> Response:
    """Save limits; what is wrong with them is said beside them, and nothing is lost."""
    owner = request.form.get("owner", EVERYBODY).strip()
    typed = {name: request.form.get(name, "") for name in _KINDS}
    try:
        actions.put_limits(current(), owner, _values(typed))
    except InvalidInput as error:
        names = {"storage_bytes": "storage_gb"}
        errors = {names.get(each.field, each.field): str(each.reason) for each in error.errors}
        return make_response(_page(owner, typed, errors), HTTPStatus.UNPROCESSABLE_ENTITY)
    response = redirect(url_for("pages.sharing", owner=owner or None, saved=1), 303)
    assert isinstance(response, Response)
    return response


@blueprint.post("/sharing/queues/<queue>")
def save_queue(queue: str) -> Response:
    """Say whether runs of a higher priority may preempt others in a queue."""
    actions.put_queue(current(), queue, {"preempts": request.form.get("preempts") == "true"})
    response = redirect(url_for("pages.sharing", _anchor="queues"), 303)
    assert isinstance(response, Response)
    return response


def _values(typed: Mapping[str, str]) -> JSON:
    """What was typed, as the API takes it: what is empty is no limit."""
    values: JSON = {}
    errors: list[FieldError] = []
    for name, text in typed.items():
        try:
            values[name] = numbers.read(text, _KINDS[name]) if text.strip() else None
        except WrongValue as refused:
            errors.append(FieldError(name, refused.reason))
    if errors:
        raise InvalidInput(errors)
    gigabytes = values.pop("storage_gb")
    return values | {"storage_bytes": None if gigabytes is None else round(gigabytes * GIGABYTE)}


def _page(owner: str, typed: Mapping[str, str] | None, errors: Mapping[str, str]) -> str:
    shown = shared().as_json()
    known = {EVERYBODY: shown["everybody"]} | {
        each["owner"]: each["limits"] for each in shown["people"]
    }
    return render_template(
        "sharing/page.html",
        owner=owner,
        typed=typed or _as_typed(known.get(owner, {})),
        errors=dict.fromkeys(("owner", *_KINDS), "") | dict(errors),
        is_saved="saved" in request.args and not errors,
        **shown,
    )


def _as_typed(limits: Mapping[str, Any]) -> dict[str, str]:
    """Limits as they stand in the form."""
    stored = limits.get("storage_bytes")
    values = {**limits, "storage_gb": None if stored is None else stored / GIGABYTE}
    return {
        name: "" if values.get(name) is None else formats.exact(values[name]) for name in _KINDS
    }
