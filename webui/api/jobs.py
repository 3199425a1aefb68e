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
from webui.addresses import LARGEST_BULK
from webui.api import downloads, shapes
from webui.api.answers import chosen
from webui.api.blueprint import blueprint
from webui.api.description import Answer, Body, Parameter, describe
from webui.api.requests import (
    FIELDS,
    OF_LOG,
    OF_SELECTION,
    ORDER,
    PAGED,
    cursor,
    format_of,
    json_object,
    limit,
    looked_for,
    newest_first,
    options,
    selection,
)
from webui.context import current

IDEMPOTENCY_KEY = Parameter(
    actions.KEY,
    {"type": "string", "minLength": 1, "maxLength": actions.LONGEST_KEY},
    "What this submit is known by: the same key again queues nothing, and answers alike.",
    place="header",
)


@blueprint.post("/jobs")
@describe(
    Answer((shapes.JobShape, shapes.Listing[shapes.JobShape]), status=201, headers=["Location"]),
    body=Body(actions.Submission, example={"name": "wide", "preset": "quick"}),
    parameters=[IDEMPOTENCY_KEY],
    problems=[409],
)
def submit() -> tuple[Response, int, dict[str, str]]:
    """Queue a run, or one for each of some seeds, which are answered as a list.

    The same key again answers with the runs of the first time.
    """
    asked = json_object()
    jobs = actions.submit(current(), asked, request.headers.get(actions.KEY))
    if not asked.get("seeds"):
        where = {"Location": url_for("api.show", job_id=jobs[0].id)}
        has_relatives = any(asked.get(name) is not None for name in ("cloned_from", "weights_from"))
        return jsonify(_as_queued(jobs[0], has_relatives=has_relatives).as_json()), 201, where
    where = {"Location": url_for("api.jobs", tag=lifecycle.tag_of_seeds(jobs[0]))}
    return jsonify(_all_as_queued(jobs).as_json()), 201, where


@blueprint.post("/jobs/bulk")
@describe(
    Answer((shapes.QueuedShape,), status=201),
    body=Body(actions.BulkSubmission, example={"jobs": [{"name": "one"}, {"name": "two"}]}),
    parameters=[IDEMPOTENCY_KEY],
    problems=[409],
)
def submit_many() -> tuple[Response, int]:
    """Queue several runs, all or none of them, in one transaction."""
    request.max_content_length = LARGEST_BULK
    found = actions.submit_many(current(), json_object(), request.headers.get(actions.KEY))
    return jsonify(shapes.QueuedShape(ids=[job.id for job in found]).as_json()), 201


def _as_queued(job: Job, *, has_relatives: bool) -> shapes.JobShape:
    try:
        with current().database.reading() as session:
            return shapes.whole_job(
                session, job, None, has_relatives=has_relatives, seen_by=current().seen_by
            )
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
@describe(shapes.Listing[shapes.JobShape], parameters=[*OF_SELECTION, *PAGED, FIELDS])
def jobs() -> Response:
    """A page of runs: those that are asked for, newest first or in another order."""
    with current().database.reading() as session:
        page = queries.jobs(session, selection(), limit(), cursor())
        return chosen(shapes.list_of_jobs(session, page), shapes.JobShape)


@blueprint.get("/jobs/<int:job_id>")
@describe(shapes.JobShape, parameters=[FIELDS])
def show(job_id: int) -> Response:
    """One run."""
    return chosen(_as_it_is(job_id), shapes.JobShape)


def changed(job_id: int) -> Response:
    """A run, after something was asked of it."""
    return jsonify(_as_it_is(job_id).as_json())


def _as_it_is(job_id: int) -> shapes.JobShape:
    with current().database.reading() as session:
        return shapes.whole_job(session, *queries.job(session, job_id), seen_by=current().seen_by)


@blueprint.patch("/jobs/<int:job_id>")
@describe(shapes.JobShape, body=Body(actions.Edit, is_needed=False), problems=[409])
def edit(job_id: int) -> Response:
    """Change a run's name, tags, notes or who sees it; what the body does not name stays."""
    actions.edit(current(), job_id, options())
    return changed(job_id)


@blueprint.post("/jobs/<int:job_id>/cancel")
@describe(shapes.JobShape, body=Body(actions.ActionOptions, is_needed=False), problems=[409])
def cancel(job_id: int) -> Response:
    """Ask that a run be cancelled; asking again changes nothing."""
    # any other body than JSON was never minded here
    actions.cancel(current(), job_id, options() if request.is_json else {})
    return changed(job_id)


@blueprint.post("/jobs/<int:job_id>/pause")
@describe(shapes.JobShape, body=Body(actions.ActionOptions, is_needed=False), problems=[409])
def pause(job_id: int) -> Response:
    """Ask that a run be paused; asking again changes nothing."""
    actions.pause(current(), job_id, options())
    return changed(job_id)


@blueprint.post("/jobs/<int:job_id>/resume")
@describe(shapes.JobShape, body=Body(actions.ActionOptions, is_needed=False), problems=[409])
def resume(job_id: int) -> Response:
    """Let a paused run resume; asking again changes nothing."""
    actions.resume(current(), job_id, options())
    return changed(job_id)


@blueprint.post("/jobs/<int:job_id>/retry")
@describe(shapes.JobShape, body=Body(actions.RetryOptions, is_needed=False), problems=[409])
def retry(job_id: int) -> Response:
    """Give a failed run another try."""
    actions.retry(current(), job_id, options())
    return changed(job_id)


@blueprint.get("/jobs/<int:job_id>/logs")
@describe(
    shapes.Listing[shapes.LogLine],
    Answer(media="text/plain"),
    parameters=[*PAGED, ORDER, *OF_LOG, format_of(downloads.TEXT)],
)
def logs(job_id: int) -> Response:
    """A page of a run's log, or of the lines that are looked for; or all of them as a file."""
    query = partial(queries.logs, **looked_for())
    if downloads.is_asked_for(downloads.TEXT):
        return downloads.as_text(job_id, query)
    order = {"newest_first": newest_first()}
    return rows_of_job(job_id, query, shapes.LogLine.model_validate, **order)


@blueprint.get("/jobs/<int:job_id>/attempts")
@describe(shapes.Listing[shapes.AttemptShape], parameters=PAGED)
def attempts(job_id: int) -> Response:
    """A page of a run's attempts."""
    return rows_of_job(job_id, queries.attempts, shapes.AttemptShape.of)


@blueprint.get("/jobs/<int:job_id>/evaluation")
@describe(shapes.EvaluationShape)
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
