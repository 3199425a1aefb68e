"""The JSON API under `/api/v1`, and the two addresses that say how the server is."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request, stream_with_context, url_for
from werkzeug.exceptions import (
    BadRequest,
    PreconditionFailed,
    RequestedRangeNotSatisfiable,
    UnsupportedMediaType,
)
from werkzeug.wsgi import wrap_file

from core import queries
from core.database.models import Job
from core.datasets.builtin import DATASETS
from core.errors import DatabaseUnavailable, InvalidInput
from core.spec import spec
from core.spec.presets import PRESETS
from core.states import FINAL
from core.storage.blobs import Blob
from webui import live, networks, schemas, submission
from webui.context import current

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")
health = Blueprint("health", __name__)


@blueprint.post("/jobs")
def submit() -> tuple[Response, int, dict[str, str]]:
    """Queue a run."""
    job = submission.submit(current(), json_object())
    where = {"Location": url_for("api.show", job_id=job.id)}
    return jsonify(_as_queued(job)), 201, where


def _as_queued(job: Job) -> schemas.JSON:
    try:
        with current().database.reading() as session:
            return schemas.whole_job(session, job, None)
    except DatabaseUnavailable:  # since the submit: an error would say that nothing is queued
        return schemas.job(job, None, None)


@blueprint.get("/jobs")
def jobs() -> Response:
    """A page of runs, newest first."""
    states = [state for state in request.args.get("state", "").split(",") if state]
    with current().database.reading() as session:
        return jsonify(schemas.jobs(session, queries.jobs(session, states, _limit(), _cursor())))


@blueprint.get("/jobs/<int:job_id>")
def show(job_id: int) -> Response:
    """One run."""
    with current().database.reading() as session:
        return jsonify(schemas.whole_job(session, *queries.job(session, job_id)))


@blueprint.post("/jobs/<int:job_id>/cancel")
def cancel(job_id: int) -> Response:
    """Ask that a run be cancelled; asking again changes nothing."""
    # any other body than JSON was never minded here
    submission.cancel(current(), job_id, _options() if request.is_json else {})
    return show(job_id)


@blueprint.post("/jobs/<int:job_id>/pause")
def pause(job_id: int) -> Response:
    """Ask that a run be paused; asking again changes nothing."""
    submission.pause(current(), job_id, _options())
    return show(job_id)


@blueprint.post("/jobs/<int:job_id>/resume")
def resume(job_id: int) -> Response:
    """Let a paused run go on; asking again changes nothing."""
    submission.resume(current(), job_id, _options())
    return show(job_id)


@blueprint.post("/jobs/<int:job_id>/retry")
def retry(job_id: int) -> Response:
    """Give a failed run another try."""
    submission.retry(current(), job_id, _options())
    return show(job_id)


@blueprint.get("/jobs/<int:job_id>/epochs")
def epochs(job_id: int) -> Response:
    """A page of a run's epochs."""
    return _rows_of_job(job_id, queries.epochs, schemas.epoch)


@blueprint.get("/jobs/<int:job_id>/points")
def points(job_id: int) -> Response:
    """A page of a run's readings in mid-epoch."""
    return _rows_of_job(job_id, queries.metrics, schemas.point)


@blueprint.get("/jobs/<int:job_id>/logs")
def logs(job_id: int) -> Response:
    """A page of a run's log."""
    return _rows_of_job(job_id, queries.logs, schemas.log_line)


@blueprint.get("/jobs/<int:job_id>/checkpoints")
def checkpoints(job_id: int) -> Response:
    """A page of a run's files."""
    return _rows_of_job(job_id, queries.artifacts, schemas.checkpoint)


@blueprint.get("/jobs/<int:job_id>/attempts")
def attempts(job_id: int) -> Response:
    """A page of a run's attempts."""
    return _rows_of_job(job_id, queries.attempts, schemas.attempt)


@blueprint.get("/jobs/<int:job_id>/evaluation")
def evaluation(job_id: int) -> Response:
    """What a run's published weights do on the test set."""
    with current().database.reading() as session:
        return jsonify(schemas.evaluation(queries.evaluation(session, job_id)))


@blueprint.get("/jobs/<int:job_id>/events")
def events(job_id: int) -> Response:
    """The live stream; `after` stands in for Last-Event-ID, which a page cannot set itself."""
    context = current()
    seen = request.headers.get("Last-Event-ID") or request.args.get("after")
    position = live.Position.parse(seen) if seen else live.Position()
    with context.database.reading() as session:
        job, _ = queries.job(session, job_id)
    if seen and job.state in FINAL and job.revision == position.revision:
        return Response(status=204)  # tells a browser not to connect again
    return Response(
        stream_with_context(live.stream(context.database, context.watchers, job_id, position)),
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@blueprint.get("/checkpoints/<int:checkpoint_id>/download")
def download(checkpoint_id: int) -> Response:
    """A file: whole, in part (Range), or not at all where the asker has it (ETag)."""
    context = current()
    with context.database.reading() as session:
        row = queries.artifact(session, checkpoint_id)
    file = context.storage.open(Blob(row.sha256, row.size))
    response = Response(
        wrap_file(request.environ, file, 256 * 1024),
        content_type="application/octet-stream",
        direct_passthrough=True,
    )
    response.call_on_close(file.close)
    response.content_length = row.size
    response.headers.set("Content-Disposition", "attachment", filename=row.filename)
    response.set_etag(row.sha256)  # the bytes of an address never change
    response.last_modified = row.created_at
    response.cache_control.private = True
    response.cache_control.immutable = True
    response.cache_control.max_age = 31_536_000
    try:
        response.make_conditional(
            _conditions(row.size), accept_ranges=True, complete_length=row.size
        )
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    if response.status_code == HTTPStatus.PRECONDITION_FAILED:
        response.close()
        raise PreconditionFailed("The file is not the one that If-Match names.")
    return response


def _conditions(size: int) -> dict[str, Any]:
    """What the asker wants of a file: a Range that is not one part of its bytes counts as none.

    RFC 9110, 14.2: an unknown unit must be ignored, many parts and malformed ones may be. A part
    from the end that is longer than the file is the whole file.
    """
    environ = dict(request.environ)
    asked = request.range
    one = asked is not None and asked.units == "bytes" and len(asked.ranges) == 1
    if asked is None or not one or (asked.ranges[0][0] or 0) < -size:
        environ.pop("HTTP_RANGE", None)
    if environ.get("HTTP_IF_MATCH") == "*":  # holds for every file that is there
        del environ["HTTP_IF_MATCH"]
    return environ


@blueprint.get("/workers")
def workers() -> Response:
    """A page of workers, newest first."""
    with current().database.reading() as session:
        return jsonify(schemas.page(queries.workers(session, _limit(), _cursor()), schemas.worker))


@blueprint.get("/spec")
def spec_schema() -> Response:
    """The JSON Schema of a spec, the presets, and the datasets with their facts."""
    return jsonify(
        {
            "schema": spec.schema(),
            "presets": [schemas.preset(preset) for preset in PRESETS.values()],
            "datasets": [schemas.dataset(dataset) for dataset in DATASETS.values()],
        }
    )


@blueprint.post("/network")
def network() -> Response:
    """What the network of a `dataset` and a `model` looks like; nothing is queued."""
    return jsonify(schemas.network(networks.summarize(json_object())))


@health.get("/healthz")
def healthz() -> Response:
    """The process is alive and serves requests."""
    return jsonify({"status": "ok"})


@health.get("/readyz")
def readyz() -> Response:
    """What is needed to serve is there. Redis may be away: submits and runs go on without it."""
    context = current()
    with context.database.reading() as session:
        queries.jobs(session, limit=1)
    context.storage.check()
    redis = "ok" if context.wakeups.check() else "away: runs start a few seconds later"
    return jsonify({"status": "ok", "database": "ok", "storage": "ok", "redis": redis})


def _rows_of_job(job_id: int, query: Any, shape: Any) -> Response:
    with current().database.reading() as session:
        queries.job(session, job_id)  # 404 where there is no such job
        return jsonify(schemas.page(query(session, job_id, _limit(), _cursor()), shape))


def _options() -> dict[str, Any]:
    """A JSON object that may be left out."""
    return json_object() if request.get_data() else {}


def json_object() -> dict[str, Any]:
    """The body, which must be a JSON object that names no field twice."""
    if not request.is_json:
        raise UnsupportedMediaType("Send JSON, with the header Content-Type: application/json.")
    try:
        body = json.loads(request.get_data(), object_pairs_hook=_without_doubles)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None
    if not isinstance(body, dict):
        raise InvalidInput.one("body", "send a JSON object")
    return body


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a field that is given twice: which of the two is meant cannot be known."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise InvalidInput.one(name or "body", "is given twice; send it once")
        fields[name] = value
    return fields


def _limit() -> int:
    text = request.args.get("limit", str(queries.DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput.one("limit", f"choose a number from 1 to {queries.LARGEST_LIMIT}")
    return int(text)


def _cursor() -> str:
    return request.args.get("cursor", "")
