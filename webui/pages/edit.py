"""The page on which a run's name, tags and notes are changed."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, make_response, render_template, request

from core import queries
from core.database.instance import instance_of
from core.database.models import Job
from core.errors import InvalidInput
from webui import actions
from webui.context import current
from webui.pages.blueprint import blueprint, to_run

FIELDS = ("name", "tags", "notes")


@blueprint.get("/jobs/<int:job_id>/edit")
def edit(job_id: int) -> str:
    """The form, with what stands there now."""
    with current().database.reading() as session:
        row, _ = queries.job(session, job_id)
        now = {"name": row.name, "tags": ", ".join(row.tags), "notes": row.notes}
        return _form(row, instance_of(session), now, {})


@blueprint.post("/jobs/<int:job_id>/edit")
def save_edit(job_id: int) -> Response:
    """Save what was typed; what is wrong with it is said beside it, and nothing is lost."""
    typed = {name: request.form.get(name, "") for name in FIELDS}
    try:
        actions.edit(current(), job_id, typed | {"tags": typed["tags"].split(",")})
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
