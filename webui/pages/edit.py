"""The page on which a run's name, tags and notes are changed, and who sees it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, make_response, render_template, request

from core import queries
from core.database.instance import instance_of
from core.database.models import Job
from core.errors import InvalidInput
from core.jobs.actors import refuse_unless_allowed
from webui import actions
from webui.context import current
from webui.pages.blueprint import blueprint, to_run

FIELDS = ("name", "tags", "notes")
PRIVATE = "private"
"""A box, where there are accounts."""


@blueprint.get("/jobs/<int:job_id>/edit")
def edit(job_id: int) -> str:
    """The form, with what stands there now."""
    with current().database.reading() as session:
        row, _ = queries.job(session, job_id)
        refuse_unless_allowed(current().actor, "edit", row)
        now = {"name": row.name, "tags": ", ".join(row.tags), "notes": row.notes}
        now[PRIVATE] = "true" if row.is_private else "false"
        return _form(row, instance_of(session), now, {})


@blueprint.post("/jobs/<int:job_id>/edit")
def save_edit(job_id: int) -> Response:
    """Save what was typed; what is wrong with it is said beside it, and nothing is lost."""
    typed = {name: request.form.get(name, "") for name in FIELDS}
    asked: dict[str, Any] = typed | {"tags": typed["tags"].split(",")}
    if PRIVATE in request.form:
        typed[PRIVATE] = request.form.getlist(PRIVATE)[-1]  # a ticked box is after its "false"
        asked[PRIVATE] = typed[PRIVATE] == "true"
    try:
        actions.edit(current(), job_id, asked)
    except InvalidInput as error:
        errors = {each.field.partition(".")[0]: str(each.reason) for each in error.errors}
        with current().database.reading() as session:
            row, _ = queries.job(session, job_id)
            page = _form(row, instance_of(session), typed, errors)
        return make_response(page, HTTPStatus.UNPROCESSABLE_ENTITY)
    return to_run(job_id)


def _form(row: Job, instance: str, typed: dict[str, str], errors: dict[str, str]) -> str:
    return render_template(
        "run/edit.html",
        job=row,
        instance=instance,
        typed=typed,
        errors=dict.fromkeys(FIELDS, "") | errors,
    )
