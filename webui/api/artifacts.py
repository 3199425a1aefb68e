"""The published files of runs: lists and downloads."""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from core import queries
from core.database.models import Artifact, Job
from core.errors import Gone, NotFound, PreconditionFailed
from core.messages import message
from core.storage.blobs import Blob
from webui.api.blueprint import blueprint
from webui.api.description import Answer, Parameter, describe
from webui.api.jobs import rows_of_job
from webui.api.requests import PAGED
from webui.api.shapes import ArtifactShape, Listing
from webui.context import current

LONGEST_RUN_NAME = 60

FORMER_CHECKPOINTS = ("checkpoint", "export")
"""The kinds of artifacts at the addresses of version 0.1, where all were called checkpoints."""


FILE = (
    Answer(media="application/octet-stream", headers=["ETag"]),
    Answer(media="application/octet-stream", status=206, headers=["ETag", "Content-Range"]),
    Answer(media="", status=304),
)
OF_FILE = (
    Parameter("sha256", {"type": "string"}, "The file has this digest, or there is none."),
    Parameter("Range", {"type": "string", "examples": ["bytes=0-99"]}, "A part of it.", "header"),
    Parameter("If-None-Match", {"type": "string"}, "The tag of the file that you have.", "header"),
    Parameter("If-Match", {"type": "string"}, "The tag of the file that it must be.", "header"),
)


@blueprint.get("/jobs/<int:job_id>/artifacts")
@describe(Listing[ArtifactShape], parameters=PAGED)
def artifacts(job_id: int) -> Response:
    """A page of a run's files."""
    return rows_of_job(job_id, queries.artifacts, ArtifactShape.model_validate)


@blueprint.get("/jobs/<int:job_id>/checkpoints")
@describe(Listing[ArtifactShape], parameters=PAGED, is_former=True)
def checkpoints(job_id: int) -> Response:
    """A page of a run's files without its cards, at the address of version 0.1."""
    query = partial(queries.artifacts, kinds=FORMER_CHECKPOINTS)
    return rows_of_job(job_id, query, ArtifactShape.model_validate)


@blueprint.get("/artifacts/<int:artifact_id>/download")
@describe(*FILE, parameters=OF_FILE, problems=[410, 412, 416])
def download(artifact_id: int) -> Response:
    """A file: whole, in part (Range), or not at all where the asker has it (ETag)."""
    return _sent(*_artifact(artifact_id))


@blueprint.get("/checkpoints/<int:artifact_id>/download")
@describe(*FILE, parameters=OF_FILE, problems=[410, 412, 416], is_former=True)
def download_checkpoint(artifact_id: int) -> Response:
    """A file that is no card, at its address of version 0.1."""
    row, name = _artifact(artifact_id)
    if row.kind not in FORMER_CHECKPOINTS:
        raise NotFound(message("artifact.not_a_checkpoint", artifact_id=artifact_id, kind=row.kind))
    return _sent(row, name)


def _artifact(artifact_id: int) -> tuple[Artifact, str]:
    """A file's row, and the name to save it by."""
    with current().database.reading() as session:
        row = queries.artifact(session, artifact_id)
        job, _ = queries.job(session, row.job_id)
    if request.args.get("sha256", row.sha256) != row.sha256:
        raise Gone(message("artifact.other_file"))
    return row, download_name(job, row)


def download_name(job: Job, row: Artifact) -> str:
    """A name that no file of another run has: `run-7-wide-digits-cnn.pt`."""
    name = re.sub(r"[^\w.-]+", "-", job.name)[:LONGEST_RUN_NAME].strip("-._")
    return "-".join(filter(None, (f"run-{job.id}", name, row.filename)))


def _sent(row: Artifact, name: str) -> Response:
    file = current().storage.open(Blob(row.sha256, row.size))
    response = Response(
        wrap_file(request.environ, file, 256 * 1024),
        content_type="application/octet-stream",
        direct_passthrough=True,
    )
    response.call_on_close(file.close)
    _describe(response, row, name)
    try:
        response.make_conditional(
            _conditions(row.size), accept_ranges=True, complete_length=row.size
        )
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    if response.status_code == HTTPStatus.PRECONDITION_FAILED:
        response.close()
        raise PreconditionFailed(message("artifact.changed"))
    return response


def _describe(response: Response, row: Artifact, name: str) -> None:
    response.content_length = row.size
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.set_etag(row.sha256)
    response.last_modified = row.created_at
    response.cache_control.private = True
    if "sha256" in request.args:  # such an address has these bytes or none
        response.cache_control.immutable = True
        response.cache_control.max_age = 31_536_000
    else:  # another database may have another file under the same number
        response.cache_control.no_cache = True


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
