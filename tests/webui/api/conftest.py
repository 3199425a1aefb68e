"""What several tests of the API set up: a claimed run, a finished one, and how to read answers."""

from __future__ import annotations

import re

import pytest

from core import workers
from core.jobs import claim, endings, policies, preemption, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.endings import Publication
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.protocol.reports import Line, StepMetrics
from core.storage import store
from core.storage.blobs import Blob
from core.workers import WorkerFacts
from tests.reported import epoch_end, started
from tests.webui.api.documented import DocumentedClient

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
CONTENT = bytes(range(256)) * 40


def count(client):
    return len(client.get("/api/v1/jobs?limit=1000").json["items"])


def errors(response):
    assert response.content_type == "application/problem+json"
    assert response.json["status"] == response.status_code
    return {error["field"]: error["message"] for error in response.json["errors"]}


def submitted(client, **more):
    return client.post("/api/v1/jobs", json={"name": "x", **more}).json["id"]


def secure(database, job, *steps):
    with database.writing() as session:
        for step in steps:
            snapshots.add(session, job, 1, SnapshotRef(step // 10, step, Blob(f"{step:064}", 5)))


def give_way(client, database):
    """Have the run that runs be asked to give way to another, whose number this is."""
    with database.writing() as session:
        policies.put(session, LOCAL_OWNER, "default", preempts=True)
    high = submitted(client, priority=5)
    assert len(preemption.preempt(database)) == 1
    return high


def download(client, job, **headers):
    file = client.get(f"/api/v1/jobs/{job}/checkpoints").json["items"][0]
    return client.get(f"/api/v1/checkpoints/{file['id']}/download", headers=headers, buffered=True)


@pytest.fixture
def lease(client, database):
    """A job that a worker has claimed."""
    client.post("/api/v1/jobs", json={"name": "run", "preset": "quick"})
    worker = workers.register(database, WorkerFacts("ada", 1, "0", ["default"], [], 1))
    return claim.claim(database, Claimant(worker, ["default"]), 30)


@pytest.fixture
def finished(lease, database, settings, tmp_path):
    """A job that has ended well, with everything that a run leaves."""
    recorder = Recorder(database, lease, 30)
    reading = {"epoch": 1, "learning_rate": 0.1, "images_per_s": 9.0, "eta_s": 1.0}
    recorder.record(started())
    for step in (1, 5, 10):
        recorder.record(StepMetrics(step=step, batch=step, train_loss=1 / step, **reading))
    recorder.record(epoch_end())
    recorder.record(Line(text="a <b>line</b>"))
    recorder.flush()
    (tmp_path / "model.pt").write_bytes(CONTENT)
    blob = store.connect(settings.storage_address).put(tmp_path / "model.pt")
    endings.succeed(database, lease, "c" * 64, [Publication(blob, 1, "pt", "mnist-cnn.pt")])
    return lease.job_id


@pytest.fixture
def app(app):
    """An application whose answers are held against the OpenAPI document."""
    app.test_client_class = DocumentedClient
    return app
