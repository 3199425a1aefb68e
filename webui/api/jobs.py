"""Jobs: submit, list, show, ask something of one; its log, its attempts, its evaluation."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response, jsonify, request, url_for

from core import queries
from core.database.models import Job
from core.errors import DatabaseUnavailable
from core.jobs import lifecycle
from webui import actions
from webui.api import downloads, shapes
from webui.api.blueprint import blueprint
from webui.api.requests import (
    cursor,
    json_object,
    limit,
    looked_for,
    newest_first,
    options,
    selection,
)
from webui.context import current


@blueprint.post("/jobs")
def submit() -> tuple[Response, int, dict[str, str]]:
    """Queue a run, or one for each of some seeds, which are answered as a list.

    The same key again answers with the runs of the first time.
    """
    asked = json_object()
    jobs = actions.submit(current(), asked, request.headers.get(actions.KEY))
    if not asked.get("seeds"):
        where = {"Location": url_for("api.show", job_id=jobs[0].id)}
        return jsonify(_as_queued(jobs[0]).as_json()), 201, where
    where = {"Location": url_for("api.jobs", tag=lifecycle.tag_of_seeds(jobs[0]))}
    return jsonify(_all_as_queued(jobs).as_json()), 201, where


def _as_queued(job: Job) -> shapes.JobShape:
    try:
        with current().database.reading() as session:
            return shapes.whole_job(session, job, None)
    except DatabaseUnavailable:  # since the submit: an error would say that nothing is queued
        return shapes.JobShape.of(job, None)


def _all_as_queued(jobs: list[Job]) -> shapes.Listing[shapes.JobShape]:
    rows: list[tuple[Job, str | None]] = [(job, None) for job in jobs]
    page = queries.Page(rows, None)
    try:
        with current().database.reading() as session:
            return shapes.list_of_jobs(session, page)
    except DatabaseUnavailable:
        return shapes.Listing[shapes.JobShape].of(page, lambda row: shapes.JobShape.of(*row))


@blueprint.get("/jobs")
def jobs() -> Response:
    """A page of runs: those that are asked for, newest first or in another order."""
    with current().database.reading() as session:
        page = queries.jobs(session, selection(), limit(), cursor())
        return jsonify(shapes.list_of_jobs(session, page).as_json())


@blueprint.get("/jobs/<int:job_id>")
def show(job_id: int) -> Response:
    """One run."""
    with current().database.reading() as session:
        return jsonify(shapes.whole_job(session, *queries.job(session, job_id)).as_json())


@blueprint.patch("/jobs/<int:job_id>")
def edit(job_id: int) -> Response:
    """Change a run's name, tags, notes or who sees it; what the body does not name stays."""
    actions.edit(current(), job_id, options())
    return show(job_id)


@blueprint.post("/jobs/<int:job_id>/cancel")
def cancel(job_id: int) -> Response:
    """Ask that a run be cancelled; asking again changes nothing."""
    # any other body than JSON was never minded here
    actions.cancel(current(), job_id, options() if request.is_json else {})
    return show(job_id)


@blueprint.post("/jobs/<int:job_id>/pause")
def pause(job_id: int) -> Response:
    """Ask that a run be paused; asking again changes nothing."""
    actions.pause(current(), job_id, options())
    return show(job_id)


@blueprint.post("/jobs/<int:job_id>/resume")
def resume(job_id: int) -> Response:
    """Let a paused run resume; asking again changes nothing."""
    actions.resume(current(), job_id, options())
    return show(job_id)


@blueprint.post("/jobs/<int:job_id>/retry")
def retry(job_id: int) -> Response:
    """Give a failed run another try."""
    actions.retry(current(), job_id, options())
    return show(job_id)


@blueprint.get("/jobs/<int:job_id>/logs")
def logs(job_id: int) -> Response:
    """A page of a run's log, or of the lines that are looked for; or all of them as a file."""
    query = partial(queries.logs, **looked_for())
    if downloads.is_asked_for(downloads.TEXT):
        return downloads.as_text(job_id, query)
    order = {"newest_first": newest_first()}
    return rows_of_job(job_id, query, shapes.LogLine.model_validate, **order)


@blueprint.get("/jobs/<int:job_id>/attempts")
def attempts(job_id: int) -> Response:
    """A page of a run's attempts."""
    return rows_of_job(job_id, queries.attempts, shapes.AttemptShape.of)


@blueprint.get("/jobs/<int:job_id>/evaluation")
def evaluation(job_id: int) -> Response:
    """What a run's published weights do on the test set."""
    with current().database.reading() as session:
        row = queries.evaluation(session, job_id)
        return jsonify(shapes.EvaluationShape.of(row).as_json())


def rows_of_job(job_id: int, query: Any, shape: Any, **order: bool) -> Response:
    """A page of what belongs to a run."""
    with current().database.reading() as session:
        queries.job(session, job_id)  # 404 where there is no such job
        page = query(session, job_id, limit(), cursor(), **order)
        return jsonify(shapes.Listing.of(page, shape).as_json())
