"""The page on which a run's network is tried on images that a person draws or gives.

The network runs in the browser: the page is given the addresses of the file and of a runtime. That
is the published network or, while a run trains, that of a snapshot, which a worker exports when
somebody asks. What its layers see comes from such an export too.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from flask import Response, jsonify, make_response, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wsgi import wrap_file

from core import derived, queries
from core.asked import Request, key_of
from core.database.instance import instance_of
from core.database.models import Artifact, Job
from core.datasets.builtin import DATASETS
from core.datasets.info import DatasetInfo
from core.errors import Conflict, NotFound, Unavailable
from core.messages import message
from core.storage.blobs import Blob
from webui.api.shapes import JSON
from webui.context import current
from webui.pages import pictures, tryout_file, wanted
from webui.pages.addressed import number
from webui.pages.blueprint import blueprint
from webui.pages.tryout_file import PROGRAM, RUNTIME
from webui.pages.wanted import Wanted
from webui.problems import refusal
from webui.security import CONTENT_SECURITY_POLICY_OF_NETWORKS

EXAMPLES = 16

FORMAT = "onnx"

LARGEST_IN_A_FILE = 32_000_000
"""Bytes of a network that is put into a page: six times as much is in memory meanwhile."""
MOST_AT_ONCE = 2
PATIENCE_S = 5.0
LOOK_AGAIN_AFTER_S = 1
CHUNK_BYTES = 256 * 1024
_MAKING = threading.BoundedSemaphore(MOST_AT_ONCE)


@blueprint.get("/jobs/<int:job_id>/try")
def tryout(job_id: int) -> Response:
    """Where a run's network is tried; why it cannot be, where there is no file to run."""
    tried = _tried(job_id)
    given = _given(tried, _addresses(tried)) | {"first": _first_image(tried)}
    answer = make_response(render_template("tryout/page.html", **given))
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY_OF_NETWORKS
    return answer


@blueprint.get("/jobs/<int:job_id>/try.html")
def tryout_as_file(job_id: int) -> Response:
    """The same as one file that needs no server: network, runtime, script and style inside."""
    tried = _tried(job_id)
    if tried.network is None:
        raise NotFound(message("artifact.no_network", job_id=job_id))
    if tried.network.size > LARGEST_IN_A_FILE:
        raise Conflict(message("artifact.network_too_large", job_id=job_id))
    if not _MAKING.acquire(timeout=PATIENCE_S):
        raise Unavailable(message("web.too_many_files"))
    try:
        answer = make_response(_file(tried, tried.network))
    finally:
        _MAKING.release()
    answer.headers.set("Content-Disposition", "attachment", filename=f"run-{job_id}-try-it.html")
    return answer


@blueprint.get("/jobs/<int:job_id>/feature-maps")
def feature_maps(job_id: int) -> Response:
    """Where the published network with its feature maps is; a worker is asked to make it."""
    with current().database.reading() as session:
        job, _ = queries.job(session, job_id)
        asked = derived.network(session, job, "published")
    if asked is None:
        raise NotFound(message("derived.no_weights", job_id=job_id))
    file = wanted.want(asked)
    return jsonify({"address": url_for("pages.derived_network", key=file.key)})


@blueprint.get("/derived/<string(length=64):key>.onnx")
def derived_network(key: str) -> Response:
    """A network that a worker has exported, or how far that is."""
    row = derived.find(current().database, key)
    if row is None or row.request["kind"] != "network":
        raise NotFound(message("derived.expired"))
    file = wanted.of(row)
    if file.has_failed and file.why is not None:
        return refusal(HTTPStatus.FAILED_DEPENDENCY, file.why)
    opened = wanted.opened(file)
    if opened is None or file.blob is None:
        answer = jsonify({"why": str(file.why or message("derived.expired"))})
        answer.status_code = HTTPStatus.ACCEPTED
        answer.headers["Retry-After"] = str(LOOK_AGAIN_AFTER_S)
        return answer
    response = Response(
        wrap_file(request.environ, opened, CHUNK_BYTES),
        content_type="application/octet-stream",
        direct_passthrough=True,
    )
    response.call_on_close(opened.close)
    response.content_length = file.blob.size
    response.cache_control.private = True
    response.cache_control.max_age = int(derived.KEPT_FOR_S)  # of this key there is no other file
    return response


def _file(tried: _Tried, network: Artifact) -> str:
    with current().storage.open(Blob(network.sha256, network.size)) as file:
        addresses = tryout_file.addresses(file.read())
    return render_template(
        "tryout/file.html",
        **_given(tried, addresses),
        styles=tryout_file.styles(),
        modules=tryout_file.modules(),
    )


@dataclass(frozen=True, slots=True)
class Exported:
    """A network that a worker exports for this page, where a run has published none as ONNX."""

    file: Wanted
    """That is tried, or that is waited for."""
    is_snapshot: bool
    """Whether it is of a snapshot, and not of published weights."""
    epoch: int
    """Whole epochs that it has trained."""
    is_newest: bool
    """Whether there are no newer weights by now."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """A run whose network is tried."""

    job: Job
    network: Artifact | None
    exported: Exported | None
    """Where it has published none: what a worker makes of its weights, if there are some."""
    examples: list[JSON]
    instance: str

    @property
    def dataset(self) -> DatasetInfo:
        """What it was trained on."""
        return DATASETS[self.job.dataset]


def _tried(job_id: int) -> _Tried:
    with current().database.reading() as session:
        job, _ = queries.job(session, job_id)
        network = queries.newest_artifact(session, job_id, FORMAT)
        if job.dataset not in DATASETS:  # of a later release
            raise NotFound(message("artifact.no_network", job_id=job_id))
        newest = None if network else _newest(session, job)
        examples, instance = _examples(session, job_id), instance_of(session)
    exported = _exported(job_id, newest) if newest else None
    if exported and exported.file.blob and not examples:
        examples = _any_test_images(job.dataset)
    return _Tried(job, network, exported, examples, instance)


def _any_test_images(dataset: str) -> list[JSON]:
    """The first images of a test set, where a worker has made their pictures."""
    found = pictures.of(dataset, range(EXAMPLES), [])
    return [{"index": index, "image": image} for index, image in found.by_index.items()]


def _newest(session: Session, job: Job) -> Request | None:
    """The network of the newest weights of a run; None where it has none yet."""
    return derived.network(session, job, "published") or derived.network(session, job, "snapshot")


def _exported(job_id: int, newest: Request) -> Exported:
    """The network of the address or, where it names none, the one that was exported last.

    A run may save more often than a worker exports: what is waited for does not change meanwhile.
    """
    asked = newest
    if "newest" not in request.args and newest["weights"] == "snapshot":
        key = request.args.get("key", "")
        asked = derived.network_of_run(current().database, job_id, key) or newest
    return Exported(
        wanted.want(asked),
        is_snapshot=asked["weights"] == "snapshot",
        epoch=asked["epoch"],
        is_newest=key_of(asked) == key_of(newest),
    )


def _examples(session: Session, job_id: int) -> list[JSON]:
    """Images that the network gets wrong, to begin with."""
    if not queries.evaluated_attempt(session, job_id):
        return []
    content = queries.evaluation(session, job_id).content
    names = [each["name"] for each in content["classes"]]
    return [
        {
            "index": each["index"],
            "true": names[each["label"]],
            "predicted": names[each["predicted"]],
            "image": each["image"],
        }
        for each in content["mistakes"][:EXAMPLES]
    ]


def _first_image(tried: _Tried) -> JSON | None:
    """The test image that the address names, which is tried at once."""
    index = number("image", tried.dataset.test_count - 1)
    if index is None:
        return None
    found = pictures.of(tried.job.dataset, [index], [])
    return {"index": index, "image": found.by_index.get(index), "wanted": found.wanted}


def _addresses(tried: _Tried) -> dict[str, str] | None:
    """Where the script finds the runtime, its program, and the network; None: there is none yet."""
    common = {
        "script": url_for("static", filename=RUNTIME),
        "program": url_for("static", filename=PROGRAM),
    }
    if tried.network is not None:
        return common | {
            "network": url_for(
                "api.download",
                artifact_id=tried.network.id,
                instance=tried.instance,
                sha256=tried.network.sha256,
            ),
            "maps": url_for("pages.feature_maps", job_id=tried.job.id, instance=tried.instance),
        }
    if tried.exported is None or tried.exported.file.blob is None:
        return None
    key = tried.exported.file.key
    return common | {"network": url_for("pages.derived_network", key=key)}


def _given(tried: _Tried, addresses: dict[str, str] | None) -> dict[str, Any]:
    """What both templates show; no `data` where there is no network to try."""
    dataset = tried.dataset
    info = {
        "channels": dataset.channels,
        "size": dataset.size,
        "mean": dataset.mean,
        "framing": asdict(dataset.framing) if dataset.framing else None,
    }
    return {
        "job": tried.job,
        "dataset": dataset,
        "examples": tried.examples,
        "exported": tried.exported,
        "can_be_saved": tried.network is not None and tried.network.size <= LARGEST_IN_A_FILE,
        "data": addresses and {"info": info, "classes": dataset.classes, "addresses": addresses},
    }
