"""The API's contract: shapes, errors that name the field, downloads, never a 5xx."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core import artifacts, queries, queue, workers
from core.journal import Journal
from core.queue import Claimant, Failure, Publication
from core.reports import EpochEnd, Line, Reading, Started
from core.settings import Settings
from core.workers import WorkerFacts
from webui.app import create_app
from webui.context import current

JOB = {
    *("id", "name", "state", "desired", "spec", "priority", "queue", "attempt", "created_at"),
    *("started_at", "finished_at", "progress", "train_loss", "test_loss", "test_accuracy"),
    *("weights_sha256", "error", "worker"),
}
PROGRESS = {"epoch", "epochs", "batch", "batches", "fraction", "eta_s", "images_per_s"}
EPOCH = {
    *("epoch", "train_loss", "test_loss", "test_accuracy", "learning_rate", "seconds"),
    "images_per_s",
}
CHECKPOINT = {"id", "format", "filename", "size", "sha256", "epoch", "created_at"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
CONTENT = bytes(range(256)) * 40


def count(client):
    return len(client.get("/api/v1/jobs?limit=1000").json["items"])


def errors(response):
    assert response.content_type == "application/problem+json"
    assert response.json["status"] == response.status_code
    return {error["field"]: error["message"] for error in response.json["errors"]}


@pytest.fixture
def lease(client, database):
    """A job that a worker has claimed."""
    client.post("/api/v1/jobs", json={"name": "run", "preset": "quick"})
    worker = workers.register(database, WorkerFacts("ada", 1, "0", ["default"], [], 1))
    return queue.claim(database, Claimant(worker, ["default"], ["auto"]), 30)


@pytest.fixture
def finished(lease, database, settings, tmp_path):
    """A job that has ended well, with everything that a run leaves."""
    journal = Journal(database, lease, 30)
    reading = {"epoch": 1, "learning_rate": 0.1, "images_per_s": 9.0, "eta_s": 1.0}
    journal.record(Started(device="CPU", threads=2, epochs=1, batches=10))
    for step in (1, 5, 10):
        journal.record(Reading(step=step, batch=step, train_loss=1 / step, **reading))
    journal.record(
        EpochEnd(
            step=10,
            batch=10,
            train_loss=0.2,
            test_loss=0.1,
            test_accuracy=0.9,
            seconds=2,
            **reading,
        )
    )
    journal.record(Line(text="a <b>line</b>"))
    journal.flush()
    (tmp_path / "model.pt").write_bytes(CONTENT)
    blob = artifacts.connect(settings.artifacts_address).put(tmp_path / "model.pt")
    queue.succeed(database, lease, "c" * 64, [Publication(blob, 1, "pt", "mnist-cnn.pt")])
    return lease.job_id


def test_a_submit_answers_201_with_the_job_and_where_it_is(client):
    response = client.post(
        "/api/v1/jobs",
        json={
            "name": " my run ",
            "preset": "quick",
            "spec": {"seed": 3},
            "priority": 2,
            "queue": "gpu",
        },
    )

    assert response.status_code == 201
    job = response.json
    assert set(job) >= JOB
    assert set(job["progress"]) == PROGRESS
    assert (job["name"], job["state"], job["desired"]) == ("my run", "queued", "run")
    assert (job["spec"]["seed"], job["priority"], job["queue"]) == (3, 2, "gpu")
    assert MOMENT.fullmatch(job["created_at"])
    assert client.get(response.headers["Location"]).json == job


def test_a_finished_run_tells_everything(client, finished):
    job = client.get(f"/api/v1/jobs/{finished}").json
    assert (job["state"], job["worker"], job["test_accuracy"]) == ("succeeded", "ada", 0.9)
    assert (job["progress"]["fraction"], job["weights_sha256"], job["error"]) == (1, "c" * 64, None)

    def items(name):
        page = client.get(f"/api/v1/jobs/{finished}/{name}").json
        assert page["next"] is None
        return page["items"]

    [epoch] = items("epochs")
    assert set(epoch) == EPOCH
    assert [point["step"] for point in items("points")] == [1, 5, 10]
    assert [line["text"] for line in items("logs")] == ["a <b>line</b>"]
    [attempt] = items("attempts")
    assert (attempt["worker"], attempt["outcome"], attempt["device"]) == ("ada", "succeeded", "CPU")
    [file] = items("checkpoints")
    assert set(file) == CHECKPOINT
    assert (file["filename"], file["size"]) == ("mnist-cnn.pt", len(CONTENT))


def test_a_failed_run_tells_why(client, lease, database):
    queue.end(database, lease, "failed", Failure("ValueError", "no", "Traceback …"))

    job = client.get(f"/api/v1/jobs/{lease.job_id}").json

    assert job["error"] == {"kind": "ValueError", "message": "no", "traceback": "Traceback …"}


def test_the_list_goes_page_by_page(client):
    ids = [client.post("/api/v1/jobs", json={"name": "x"}).json["id"] for _ in range(5)]
    first = client.get("/api/v1/jobs?limit=3").json
    second = client.get(f"/api/v1/jobs?limit=3&cursor={first['next']}").json

    assert [job["id"] for job in first["items"] + second["items"]] == ids[::-1]
    assert second["next"] is None
    assert client.get("/api/v1/jobs?state=running,failed").json["items"] == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}),
        ({"name": ""}, {"name"}),
        ({"name": "x" * 121}, {"name"}),
        ({"name": "a\x00b"}, {"name"}),
        ({"name": "a\x1b[31m"}, {"name"}),
        ({"name": "\ud800"}, {"name"}),
        ({"name": 5}, {"name"}),
        ({"name": "x", "preset": "nope"}, {"preset"}),
        ({"name": "x", "preset": 5}, {"preset"}),
        ({"name": "x", "priority": 10**30}, {"priority"}),
        ({"name": "x", "queue": "a b"}, {"queue"}),
        ({"name": "x", "spec": []}, {"spec"}),
        ({"name": "x", "spec": {"epochs": 10**400}}, {"epochs"}),
        ({"name": "x", "spec": {"dataset": "mnits"}}, {"dataset"}),
        (
            {"name": "", "spec": {"epochs": 0, "optimizer": {"momentum": 2}}},
            {"name", "epochs", "optimizer.momentum"},
        ),
        ({"name": "x", "nonsense": 1}, {"nonsense"}),
        ([], {"body"}),
        ("text", {"body"}),
    ],
)
def test_a_wrong_submit_is_422_naming_each_field_and_queues_nothing(client, body, fields):
    response = client.post("/api/v1/jobs", json=body)

    assert response.status_code == 422
    assert set(errors(response)) == fields
    assert count(client) == 0


def test_unknown_names_are_refused_with_the_known_ones(client):
    preset = client.post("/api/v1/jobs", json={"name": "x", "preset": "nope"})
    dataset = client.post("/api/v1/jobs", json={"name": "x", "spec": {"dataset": "nope"}})

    assert "quick, tutorial" in errors(preset)["preset"]
    assert "fashion_mnist" in errors(dataset)["dataset"]


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "application/x-www-form-urlencoded", 415),
        (b"", "application/json", 400),
        (b"null", "application/json", 422),
        (b'{"name": "x", "spec": {"epochs": NaN}}', "application/json", 422),
        (b'{"name": "' + b"x" * 10_000_000 + b'"}', "application/json", 413),
    ],
)
def test_a_malformed_body_is_a_problem_not_a_fault(client, data, content_type, status):
    response = client.post("/api/v1/jobs", data=data, content_type=content_type)

    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert response.json["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/jobs/7",
        "/api/v1/jobs/7/epochs",
        "/api/v1/jobs/7/points",
        "/api/v1/jobs/7/logs",
        "/api/v1/jobs/7/checkpoints",
        "/api/v1/jobs/7/attempts",
        "/api/v1/jobs/7/events",
        "/api/v1/checkpoints/7/download",
        f"/api/v1/jobs/{2**63}",
        f"/api/v1/jobs/{10**40}/epochs",
        f"/api/v1/checkpoints/{2**70}/download",
        "/api/v1/jobs/x",
        "/api/v1/nothing",
    ],
)
def test_what_does_not_exist_is_404(client, path):
    response = client.get(path)

    assert response.status_code == 404
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "cursor=x", "state=asleep"])
def test_a_wrong_query_is_422_naming_its_parameter(client, query):
    response = client.get(f"/api/v1/jobs?{query}")

    assert response.status_code == 422
    assert set(errors(response)) == {query.partition("=")[0]}


def test_a_wrong_method_is_405_and_names_the_right_ones(client):
    response = client.delete("/api/v1/jobs/1/cancel")

    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert response.content_type == "application/problem+json"


def test_a_second_cancel_is_200_and_changes_nothing(client):
    job = client.post("/api/v1/jobs", json={"name": "x"}).json["id"]

    first = client.post(f"/api/v1/jobs/{job}/cancel")
    second = client.post(f"/api/v1/jobs/{job}/cancel")

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json == second.json
    assert first.json["state"] == "cancelled"
    assert client.post("/api/v1/jobs/99/cancel").status_code == 404
    assert client.post(f"/api/v1/jobs/{2**64}/cancel").status_code == 404


def download(client, job, **headers):
    file = client.get(f"/api/v1/jobs/{job}/checkpoints").json["items"][0]
    return client.get(f"/api/v1/checkpoints/{file['id']}/download", headers=headers, buffered=True)


def test_a_download_has_its_name_its_size_and_its_digest_as_tag(client, finished):
    response = download(client, finished)

    assert response.data == CONTENT
    assert response.headers["Content-Disposition"] == "attachment; filename=mnist-cnn.pt"
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert re.fullmatch('"[0-9a-f]{64}"', response.headers["ETag"])


@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=0-9", CONTENT[:10]), ("bytes=100-", CONTENT[100:]), ("bytes=-5", CONTENT[-5:])],
)
def test_a_download_can_be_had_in_parts(client, finished, asked, part):
    response = download(client, finished, Range=asked)

    assert response.status_code == 206
    assert response.data == part
    assert response.headers["Content-Range"].endswith(f"/{len(CONTENT)}")


def test_a_part_beyond_the_end_is_416(client, finished):
    assert download(client, finished, Range="bytes=99999999-").status_code == 416


def test_a_download_that_the_asker_has_is_not_sent_again(client, finished):
    tag = download(client, finished).headers["ETag"]

    again = download(client, finished, **{"If-None-Match": tag})

    assert (again.status_code, again.data) == (304, b"")


def test_a_blob_that_is_gone_is_404(client, finished, settings):
    for blob in (settings.home.parent / "artifacts").rglob("*"):
        if blob.is_file():
            blob.unlink()

    assert download(client, finished).status_code == 404


def test_workers_say_what_they_run(client, lease):
    [worker] = client.get("/api/v1/workers").json["items"]

    assert (worker["name"], worker["running"], worker["stopped_at"]) == (
        "ada",
        [lease.job_id],
        None,
    )


def test_the_spec_tells_its_schema_and_the_presets(client):
    told = client.get("/api/v1/spec").json

    assert "optimizer" in told["schema"]["properties"]
    assert [preset["name"] for preset in told["presets"]] == ["quick", "tutorial"]


def test_the_server_says_how_it_is(client):
    assert client.get("/healthz").json == {"status": "ok"}
    assert client.get("/readyz").json["redis"] == "ok"


@pytest.fixture
def serve():
    """Makes applications of settings whose services are away."""
    made = []

    def make(settings):
        made.append(create_app(settings))
        return made[-1].test_client()

    yield make
    for app in made:
        with app.app_context():
            current().database.dispose()


def test_a_submit_with_redis_away_succeeds_soon(settings, serve):
    client = serve(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    began = time.monotonic()

    response = client.post("/api/v1/jobs", json={"name": "x"})

    assert response.status_code == 201
    assert time.monotonic() - began < 3
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    "address", ["postgresql+psycopg://nobody@127.0.0.1:1/none", "sqlite:////nowhere/x.db"]
)
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/readyz", "/"])
def test_with_the_database_away_everything_is_503_and_says_when_to_come_back(
    redis_url, tmp_path, address, path, serve
):
    settings = Settings(home=tmp_path, database_url=address, redis_url=redis_url, secret_key="x")
    client = serve(settings)

    response = client.get(path)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert client.get("/healthz").status_code == 200


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["dataset", "model", "optimizer", "schedule", "batch_size", "epochs", "seed", "device", "kind"]
)
SPECS = st.dictionaries(
    FIELDS, ANY_JSON | st.dictionaries(FIELDS, ANY_JSON, max_size=3), max_size=4
)
BODIES = ANY_JSON | st.fixed_dictionaries(
    {"name": ANY_JSON},
    optional={
        "preset": ANY_JSON,
        "spec": SPECS | ANY_JSON,
        "priority": ANY_JSON,
        "queue": ANY_JSON,
    },
)


@given(body=BODIES)
@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_posted_is_answered_and_never_a_fault(client, body):
    response = client.post("/api/v1/jobs", data=json.dumps(body), content_type="application/json")

    assert response.status_code in (201, 400, 422)
    with client.application.app_context(), current().database.reading() as session:
        assert len(queries.jobs(session, ()).items) >= (response.status_code == 201)
