"""The page on which a run's published network is tried on images that a person draws or gives.

The network runs in the browser: the page is given the addresses of the file and of a runtime.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

from flask import Response, make_response, render_template, url_for
from sqlalchemy.orm import Session

from core import queries
from core.database.instance import instance_of
from core.database.models import Artifact, Job
from core.datasets.builtin import DATASETS
from core.datasets.info import DatasetInfo
from core.errors import Conflict, NotFound, Unavailable
from core.messages import message
from core.storage.blobs import Blob
from webui.api.shapes import JSON
from webui.context import current
from webui.pages import tryout_file
from webui.pages.blueprint import blueprint
from webui.pages.tryout_file import PROGRAM, RUNTIME
from webui.security import CONTENT_SECURITY_POLICY_OF_NETWORKS

EXAMPLES = 16

FORMAT = "onnx"

LARGEST_IN_A_FILE = 32_000_000
"""Bytes of a network that is put into a page: six times as much is in memory meanwhile."""
MOST_AT_ONCE = 2
PATIENCE_S = 5.0
_MAKING = threading.BoundedSemaphore(MOST_AT_ONCE)


@blueprint.get("/jobs/<int:job_id>/try")
def tryout(job_id: int) -> Response:
    """Where a run's network is tried; why it cannot be, where there is no file to run."""
    tried = _tried(job_id)
    answer = make_response(render_template("tryout/page.html", **_given(tried, _addresses(tried))))
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
class _Tried:
    """A run whose network is tried."""

    job: Job
    network: Artifact | None
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
        return _Tried(job, network, _examples(session, job_id), instance_of(session))


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


def _addresses(tried: _Tried) -> dict[str, str] | None:
    """Where the script finds the runtime, its program, and the network."""
    if tried.network is None:
        return None
    return {
        "script": url_for("static", filename=RUNTIME),
        "program": url_for("static", filename=PROGRAM),
        "network": url_for(
            "api.download",
            artifact_id=tried.network.id,
            instance=tried.instance,
            sha256=tried.network.sha256,
        ),
    }


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
        "can_be_saved": tried.network is not None and tried.network.size <= LARGEST_IN_A_FILE,
        "data": addresses and {"info": info, "classes": dataset.classes, "addresses": addresses},
    }
