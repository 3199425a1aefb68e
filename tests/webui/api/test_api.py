"""The API's contract: shapes, errors that name the field, downloads, never a 5xx."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
from unittest.mock import ANY

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from core import queries, workers
from core.datasets.builtin import DATASETS
from core.errors import DatabaseUnavailable
from core.jobs import claim, endings, snapshots
from core.jobs.claim import Claimant
from core.jobs.endings import Failure, Publication
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.messages import plain
from core.messaging import notify
from core.protocol.reports import Line, Shrunk, StepMetrics
from core.settings import Settings
from core.spec.presets import PRESETS
from core.storage import store
from core.storage.blobs import Blob
from core.workers import WorkerFacts
from tests.reported import epoch_end, evaluated, started
from tests.webui import addresses
from tests.webui.live.test_live import serving
from webui.app import create_app
from webui.context import current

JOB = {
    *("id", "name", "state", "desired", "spec", "priority", "queue", "attempt", "created_at"),
    *("started_at", "finished_at", "progress", "train_loss", "test_loss", "test_accuracy"),
    *("weights_sha256", "error", "worker", "queue_status", "last_heartbeat_at", "snapshot"),
    *("desired_at", "desired_by", "devices", "validation_loss", "validation_accuracy"),
    *("stop", "stop_reason", "micro_batch"),
    *("last_heard_at", "resume_point"),
}
PROGRESS = {"epoch", "epochs", "batch", "batches", "fraction", "eta_s", "images_per_s"}
EPOCH = {
    *("epoch", "train_loss", "validation_loss", "validation_accuracy", "test_loss"),
    *("test_accuracy", "learning_rate", "gradient_norm", "memory_bytes", "seconds"),
    "images_per_s",
}
CHECKPOINT = {"id", "kind", "format", "filename", "size", "sha256", "epoch", "created_at"}
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
    assert set(job) == JOB | {"preset"}
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


def test_an_epoch_and_an_attempt_tell_what_was_measured(client, database, lease):
    recorder = Recorder(database, lease, 30)
    for report in (
        started(precision="bf16"),
        Shrunk(micro_batch=32),
        epoch_end(validation_loss=0.3, validation_accuracy=0.8),
    ):
        recorder.record(report)
    recorder.flush()
    endings.succeed(database, lease, "c" * 64, [], plain("Ended after epoch 1."))
    address = f"/api/v1/jobs/{lease.job_id}"

    [epoch] = client.get(f"{address}/epochs").json["items"]
    assert (epoch["validation_loss"], epoch["validation_accuracy"]) == (0.3, 0.8)
    assert (epoch["gradient_norm"], epoch["memory_bytes"]) == (0.75, 412_000_000)
    [attempt] = client.get(f"{address}/attempts").json["items"]
    assert (attempt["precision"], attempt["micro_batch"]) == ("bf16", 32)
    job = client.get(address).json
    assert (job["validation_loss"], job["validation_accuracy"]) == (0.3, 0.8)
    assert (job["devices"], job["stop_reason"]) == (1, "Ended after epoch 1.")


def test_an_evaluation_is_404_with_a_sentence_until_there_is_one(client, database, lease):
    address = f"/api/v1/jobs/{lease.job_id}/evaluation"
    before = client.get(address)
    recorder = Recorder(database, lease, 30)
    recorder.record(evaluated())
    recorder.flush()
    after = client.get(address)

    assert before.status_code == 404
    assert before.json["detail"].startswith(f"Run {lease.job_id} is running and has no evaluation")
    assert after.json == {"attempt": 1, **evaluated().content}


def test_a_network_is_told_block_by_block_and_nothing_is_queued(client):
    answer = client.post(
        "/api/v1/network",
        json={"dataset": "digits", "model": {"kind": "mlp", "hidden": [32]}},
    )

    assert answer.status_code == 200
    assert (answer.json["parameters"], answer.json["multiply_adds"]) == (2410, 2368)
    assert answer.json["blocks"][1] == {
        "name": "Linear",
        "shape": [32],
        "parameters": 2080,
        "multiply_adds": 2048,
    }
    assert count(client) == 0


@pytest.mark.parametrize("body", [{}, {"dataset": "mnist"}, {"model": {"channels": [4]}}])
def test_what_is_not_said_of_a_network_is_as_it_is_by_default(client, body):
    assert client.post("/api/v1/network", json=body).json["blocks"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"dataset": "mnits"}, {"dataset"}),
        ({"model": {"kind": "magic"}}, {"model.kind"}),
        ({"model": {"channels": ["x"]}}, {"model.channels.0"}),
        ({"model": []}, {"model"}),
        ({"model": {"hidden": [4]}}, {"model.hidden"}),
        ({"epochs": 3}, {"epochs"}),
        ([], {"body"}),
    ],
)
def test_a_wrong_network_is_422_naming_each_field(client, body, fields):
    response = client.post("/api/v1/network", json=body)

    assert response.status_code == 422
    assert set(errors(response)) == fields


def test_a_failed_run_tells_why(client, lease, database):
    endings.end(database, lease, "failed", Failure("ValueError", plain("no"), "Traceback …"))

    job = client.get(f"/api/v1/jobs/{lease.job_id}").json

    assert job["error"] == {
        "kind": "ValueError",
        "code": "text",
        "params": {"text": "no"},
        "message": "no",
        "traceback": "Traceback …",
    }


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
        ({"name": "x", "spec": {"stopping": {"patience": 3}}}, {"stopping.patience"}),
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

    assert ", ".join(PRESETS) in errors(preset)["preset"]
    assert "fashion_mnist" in errors(dataset)["dataset"]


JSON = "application/json"
MALFORMED = [
    (b"{", JSON, 400),
    (b"\xff\xfe", JSON, 400),
    (b"[" * 100_000, JSON, 400),
    (b"{}", "text/plain", 415),
    (b"{}", "application/x-www-form-urlencoded", 415),
    (b"", JSON, 400),
    (b"null", JSON, 422),
    (b'{"name": "x", "spec": {"epochs": NaN}}', JSON, 422),
    (b'{"name": "' + b"x" * 10_000_000 + b'"}', JSON, 413),
    (
        b'{"name": "x", "spec": ' + b'{"a":' * 9999 + b"1" + b"}" * 10_000,
        JSON,
        400,
    ),
    (b'{"name": "x", "spec": ' + b'{"a":' * 500 + b"1" + b"}" * 501, JSON, 422),
    (b'{"name": "x", "priority": ' + b"9" * 5000 + b"}", JSON, 400),
    (b'{"name": "x", "priority": 1e999}', JSON, 422),
    (b'{"name": "x", "priority": Infinity}', JSON, 422),
    (b'{"name": NaN}', JSON, 422),
    (b'{"name": "x", "spec": {"optimizer": {"momentum": -Infinity}}}', JSON, 422),
    (b'{"name": "x", "spec": {"\\ud800": 1}}', JSON, 422),
    (b'{"name": "x", "\\u0000": 1}', JSON, 422),
    (b'{"name": "x", "preset": "\\ud800"}', JSON, 422),
    (b'{"name": "\xff"}', JSON, 400),
    (b"{'name': 'x'}", JSON, 400),
    (b'{"name": "x"} {"name": "y"}', JSON, 400),
    (b'{"name": "x"}', "", 415),
    (b'{"name": "x"}', "multipart/form-data", 415),
]


def test_a_malformed_body_is_a_problem_not_a_fault_and_queues_nothing(client):
    for data, content_type, status in MALFORMED:
        response = client.post("/api/v1/jobs", data=data, content_type=content_type)
        assert response.status_code == status, (data[:80], response.text)
        assert response.content_type == "application/problem+json"
        assert response.json["detail"]
    assert count(client) == 0


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ('{"name": "a", "name": "b"}', "name"),
        ('{"name": "a", "spec": {"epochs": 1, "epochs": 2}}', "epochs"),
        ('{"name": "a", "spec": {"model": {"kind": "cnn", "kind": "cnn"}}}', "kind"),
        ('{"name": "a", "": 1, "": 2}', "body"),
        ('{"name": "a", "\\ud800": 1, "\\ud800": 2}', "\ud800"),
    ],
)
def test_a_field_that_is_given_twice_is_refused(client, data, field):
    response = client.post("/api/v1/jobs", data=data, content_type="application/json")

    assert response.status_code == 422
    assert errors(response) == {field: "Duplicate field"}
    assert count(client) == 0


def test_a_body_that_is_no_json_is_told_where_it_goes_wrong(client):
    response = client.post("/api/v1/jobs", data=b'{"name": }', content_type=JSON)

    told = "The body is not JSON: Expecting value: line 1 column 10 (char 9)"
    assert response.json["detail"] == told


MISSING = [
    f"/api/v1/jobs/{'9' * 5000}",
    "/api/v1/jobs/0",
    "/api/v1/jobs/-1",
    "/api/v1/jobs/1.0",
    "/api/v1/jobs/%00",
    "/api/v1/jobs/x",
    "/api/v1/nothing",
]


def test_what_does_not_exist_is_404(client, app):
    named = [
        (method, addresses.filled(rule, number))
        for method, rule in addresses.of_api(app)
        if "<" in rule
        for number in (7, 2**63 - 1, 2**63, 10**40)
    ]
    for method, path in named + [("GET", path) for path in MISSING]:
        response = client.open(path, method=method)
        assert response.status_code == 404, path
        assert response.content_type == "application/problem+json"


WRONG_QUERIES = [
    *("limit=0", "limit=x", "limit=1001", "limit=", "limit=-1", "limit=1e2", "limit=%D9%A1"),
    *("limit=%00", f"limit={'9' * 5000}", "cursor=x", "cursor=1.2", "cursor=-1", "cursor=%00"),
    *(f"cursor={'9' * 19}", "state=asleep", "state=queued,asleep", "state=%00", "state=%FF"),
]


def test_a_wrong_query_is_422_naming_its_parameter(client):
    for query in WRONG_QUERIES:
        response = client.get(f"/api/v1/jobs?{query}")
        assert response.status_code == 422, query
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


def test_a_running_job_is_asked_to_stop_once(client, lease, database):
    address = f"/api/v1/jobs/{lease.job_id}"
    first = client.post(f"{address}/cancel").json
    second = client.post(f"{address}/cancel").json

    assert (first["state"], first["desired"]) == ("running", "cancel")
    assert MOMENT.fullmatch(first["desired_at"])
    assert first == second
    endings.end(database, lease, "cancelled")
    assert client.post(f"{address}/cancel").json["state"] == "cancelled"


def test_a_cancel_that_comes_too_late_changes_nothing(client, finished):
    before = client.get(f"/api/v1/jobs/{finished}").json

    response = client.post(f"/api/v1/jobs/{finished}/cancel")

    assert (response.status_code, response.json) == (200, before)
    assert before["desired"] == "run"


ASKED = ("cancel", "pause", "resume", "retry")


def submitted(client, **more):
    return client.post("/api/v1/jobs", json={"name": "x", **more}).json["id"]


def ask(client, job, action, body=None):
    return client.post(f"/api/v1/jobs/{job}/{action}", json=body)


def secure(database, job, *steps):
    with database.writing() as session:
        for step in steps:
            snapshots.add(session, job, 1, SnapshotRef(step // 10, step, Blob(f"{step:064}", 5)))


def test_a_queued_run_is_paused_goes_on_and_says_who_asked(client):
    job = submitted(client)

    paused = ask(client, job, "pause", {"by": "ada"})
    resumed = ask(client, job, "resume", {"by": "bob"})

    assert (paused.status_code, resumed.status_code) == (200, 200)
    assert (paused.json["state"], paused.json["desired"]) == ("paused", "pause")
    assert paused.json["desired_by"] == "owner"
    assert MOMENT.fullmatch(paused.json["desired_at"])
    assert paused.json["queue_status"] == {
        "position": None,
        "code": "queue.paused_by",
        "params": {"name": "owner"},
        "reason": "paused by owner",
        "eta_s": None,
        "is_stuck": False,
        "key": ANY,
    }
    assert (resumed.json["state"], resumed.json["desired_by"]) == ("queued", "owner")
    assert client.get("/api/v1/jobs?state=paused").json["items"] == []


def test_a_running_run_is_asked_to_pause_once_and_may_be_let_go_on(client, lease, database):
    first = ask(client, lease.job_id, "pause").json
    second = ask(client, lease.job_id, "pause", {"by": "bob"}).json
    resumed = ask(client, lease.job_id, "resume").json

    assert (first["state"], first["desired"], first["queue_status"]) == ("running", "pause", None)
    assert second == first
    assert (resumed["state"], resumed["desired"]) == ("running", "run")


@pytest.mark.parametrize("from_scratch", [False, True])
def test_a_failed_run_is_tried_again(client, lease, database, from_scratch):
    secure(database, lease.job_id, 10, 25)
    endings.end(database, lease, "failed", Failure("ValueError", plain("no"), "tb"))
    failed = client.get(f"/api/v1/jobs/{lease.job_id}").json

    again = ask(client, lease.job_id, "retry", {"by": "ada", "from_scratch": from_scratch})

    assert failed["snapshot"] == {"epoch": 2, "batch": 0, "step": 25}
    assert again.status_code == 200
    assert (again.json["state"], again.json["error"], again.json["finished_at"]) == (
        "queued",
        None,
        None,
    )
    assert again.json["snapshot"] == (
        None if from_scratch else {"epoch": 2, "batch": 0, "step": 25}
    )
    assert again.json["desired_by"] == "owner"


def test_what_does_not_fit_the_state_is_409_with_a_sentence(client, finished):
    for action, words in (
        ("pause", "nothing to pause"),
        ("resume", "cannot be resumed"),
        ("retry", "only a failed run"),
    ):
        response = ask(client, finished, action)
        assert response.status_code == 409
        assert response.content_type == "application/problem+json"
        assert response.json["title"] == "Conflict"
        assert words in response.json["detail"]


@pytest.mark.parametrize("action", ASKED)
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"by": 5}, {"by"}),
        ({"by": "x" * 121}, {"by"}),
        ({"by": "a\nb"}, {"by"}),
        ({"nonsense": 1, "by": []}, {"nonsense", "by"}),
        ([], {"body"}),
        ("ada", {"body"}),
    ],
)
def test_a_wrong_wish_is_422_naming_each_field_and_changes_nothing(client, action, body, fields):
    job = submitted(client)
    before = client.get(f"/api/v1/jobs/{job}").json

    response = ask(client, job, action, body)

    assert response.status_code == 422
    assert set(errors(response)) == fields
    assert client.get(f"/api/v1/jobs/{job}").json == before


@pytest.mark.parametrize("action", ["cancel", "pause", "resume"])
def test_only_a_retry_knows_where_it_begins(client, action):
    response = ask(client, submitted(client), action, {"from_scratch": True})

    assert set(errors(response)) == {"from_scratch"}


@pytest.mark.parametrize("action", ASKED)
def test_a_wish_needs_no_body(client, lease, database, action):
    job = lease.job_id
    if action == "retry":
        endings.end(database, lease, "failed")
    bare = client.post(f"/api/v1/jobs/{job}/{action}")

    assert bare.status_code == 200
    assert bare.json["desired_by"] == ("owner" if action != "resume" else None)


@pytest.mark.parametrize("action", ["pause", "resume", "retry"])
def test_a_wish_that_is_not_declared_as_json_is_refused_rather_than_ignored(client, action):
    response = client.post(
        f"/api/v1/jobs/{submitted(client)}/{action}", data='{"from_scratch": true}'
    )

    assert response.status_code == 415


@pytest.mark.parametrize("action", ASKED)
def test_a_wish_for_what_does_not_exist_is_404(client, action):
    for job in (7, 2**64):
        assert ask(client, job, action).status_code == 404


def test_a_queued_run_says_its_place_and_why_it_waits(client, lease):
    first, second = submitted(client), submitted(client)

    shown = client.get(f"/api/v1/jobs/{second}").json["queue_status"]

    assert shown == {
        "position": 2,
        "code": "queue.behind",
        "params": {"ahead": 1, "slots": {"code": "queue.cpu_slots", "params": {"count": 1}}},
        "reason": "1 run ahead on 1 CPU slot",
        "eta_s": None,
        "is_stuck": False,
        "key": ANY,
    }
    listed = {job["id"]: job["queue_status"] for job in client.get("/api/v1/jobs").json["items"]}
    assert listed[second] == shown
    assert listed[first]["key"] != shown["key"]
    assert listed[first]["reason"] == "next in line on 1 CPU slot"
    assert listed[lease.job_id] is None


def test_a_running_run_says_when_it_was_last_heard_of(client, lease, database):
    running = client.get(f"/api/v1/jobs/{lease.job_id}").json
    endings.end(database, lease, "drained")
    queued = client.get(f"/api/v1/jobs/{lease.job_id}").json

    assert MOMENT.fullmatch(running["last_heartbeat_at"])
    assert (running["queue_status"], queued["last_heartbeat_at"]) == (None, None)


def test_the_newest_resume_point_is_told_of_a_run_by_itself(client, lease, database):
    secure(database, lease.job_id, 10, 20, 35)

    assert client.get(f"/api/v1/jobs/{lease.job_id}").json["snapshot"] == {
        "epoch": 3,
        "batch": 0,
        "step": 35,
    }
    assert client.get("/api/v1/jobs").json["items"][0]["snapshot"] is None


def test_a_submit_that_cannot_be_read_again_was_a_submit_all_the_same(client, monkeypatch):
    def away(*_):
        raise DatabaseUnavailable("away")

    monkeypatch.setattr("webui.api.shapes.whole_job", away)
    response = client.post("/api/v1/jobs", json={"name": "x"})

    assert (response.status_code, response.json["queue_status"]) == (201, None)
    assert count(client) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"x" * 2_000_000])
def test_a_cancel_needs_no_body_and_minds_none(client, body):
    job = client.post("/api/v1/jobs", json={"name": "x"}).json["id"]

    response = client.post(f"/api/v1/jobs/{job}/cancel", data=body)

    assert response.json["state"] == "cancelled"


def test_every_list_of_a_run_goes_page_by_page_and_brings_each_row_once(
    client, database, lease, tmp_path, settings
):
    recorder = Recorder(database, lease, 30)
    numbers = {"learning_rate": 0.1, "images_per_s": 9.0, "eta_s": 1.0, "train_loss": 1.0}
    recorder.record(started(epochs=3, batches=2))
    for number in (1, 2, 3):
        recorder.record(Line(text=str(number)))
        recorder.record(StepMetrics(step=number, epoch=number, batch=1, **numbers))
        recorder.record(epoch_end(step=2 * number, epoch=number))
    recorder.flush()
    endings.end(database, lease, "drained")
    worker = Claimant(int(lease.actor.id), ["default"])
    again = claim.claim(database, worker, 30)
    (tmp_path / "model.pt").write_bytes(CONTENT)
    blob = store.connect(settings.storage_address).put(tmp_path / "model.pt")
    names = ("a.card.json", "b.pt", "c.card.md", "d.card.json", "e.onnx")
    files = [Publication(blob, 3, name.split(".", 1)[1], name) for name in names]
    endings.succeed(database, again, "c" * 64, files)

    def visited(name, key):
        found, cursor = [], ""
        while cursor is not None:
            address = f"/api/v1/jobs/{lease.job_id}/{name}?limit=1&cursor={cursor}"
            page = client.get(address).json
            assert len(page["items"]) == 1, name
            found += [row[key] for row in page["items"]]
            cursor = page["next"]
        return found

    assert visited("epochs", "epoch") == [1, 2, 3]
    assert visited("points", "step") == [1, 2, 3]
    assert visited("logs", "text") == ["1", "2", "3"]
    assert visited("attempts", "outcome") == ["drained", "succeeded"]
    assert visited("artifacts", "filename") == list(names)
    assert visited("checkpoints", "filename") == ["b.pt", "e.onnx"]


def test_the_largest_cursor_is_past_the_end(client, finished):
    largest = "9" * 18
    for name in ("epochs", "metrics", "points", "logs", "artifacts", "checkpoints", "attempts"):
        cursor = f"{largest}.{largest}" if name == "logs" else largest
        page = client.get(f"/api/v1/jobs/{finished}/{name}?cursor={cursor}")
        assert page.json == {"items": [], "next": None}, name


@pytest.mark.parametrize(
    "failure",
    [
        Failure("ValueError", plain("embedded \0 byte"), "Traceback \0 …"),
        Failure("AnExceptionWithANameThatIsLongerThanAnybodyWouldEverWantToRead" * 2, plain("no")),
        Failure("Error", plain("<b>ünï</b> \u2028 \x1b[31m" * 1000)),
    ],
    ids=["NUL", "long kind", "long message"],
)
def test_a_run_may_fail_with_any_words(client, lease, database, failure):
    endings.end(database, lease, "failed", failure)

    job = client.get(f"/api/v1/jobs/{lease.job_id}").json

    assert job["state"] == "failed"
    assert job["error"]["kind"] == failure.kind[:60]
    assert job["error"]["message"] == failure.reason.text.replace("\0", "␀")
    [attempt] = client.get(f"/api/v1/jobs/{lease.job_id}/attempts").json["items"]
    assert attempt["reason"] == job["error"]["message"]


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
    [
        ("bytes=0-9", CONTENT[:10]),
        ("bytes=100-", CONTENT[100:]),
        ("bytes=-5", CONTENT[-5:]),
        ("bytes=5-5", CONTENT[5:6]),
        (f"bytes=0-{10**12}", CONTENT),
    ],
)
def test_a_download_can_be_had_in_parts(client, finished, asked, part):
    response = download(client, finished, Range=asked)

    assert response.status_code == 206
    assert response.data == part
    assert response.headers["Content-Range"].endswith(f"/{len(CONTENT)}")


def test_a_part_beyond_the_end_is_416_and_told_the_size(client, finished):
    for asked in (f"bytes={len(CONTENT)}-", "bytes=99999999-", f"bytes={'9' * 50}-"):
        response = download(client, finished, Range=asked)
        assert response.status_code == 416
        assert response.headers["Content-Range"] == f"bytes */{len(CONTENT)}"
        assert response.content_type == "application/problem+json"


def test_a_range_that_is_not_one_part_of_the_file_brings_all_of_it(client, finished):
    for asked in ("lines=0-9", "bytes=0-1,4-5", "bytes=abc", "bytes=9-2", "bytes", "bytes=-999999"):
        response = download(client, finished, Range=asked)
        assert (response.status_code, response.data) == (200, CONTENT), asked


def test_a_download_goes_on_only_where_the_file_is_still_the_same(client, finished):
    tag = download(client, finished).headers["ETag"]

    same = download(client, finished, Range="bytes=10-", **{"If-Range": tag})
    other = download(client, finished, Range="bytes=10-", **{"If-Range": '"other"'})

    assert (same.status_code, same.data) == (206, CONTENT[10:])
    assert (other.status_code, other.data) == (200, CONTENT)


def test_a_download_that_the_asker_has_is_not_sent_again(client, finished):
    first = download(client, finished).headers

    for condition in (
        {"If-None-Match": first["ETag"]},
        {"If-None-Match": f'"other", {first["ETag"]}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": first["Last-Modified"]},
    ):
        again = download(client, finished, **condition)
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first["ETag"]
    assert download(client, finished, **{"If-None-Match": '"other"'}).status_code == 200


def test_a_download_of_another_file_than_was_meant_is_refused(client, finished):
    tag = download(client, finished).headers["ETag"]

    refused = download(client, finished, **{"If-Match": '"other"'})

    assert refused.status_code == 412
    assert refused.content_type == "application/problem+json"
    assert download(client, finished, **{"If-Match": tag}).data == CONTENT
    assert download(client, finished, **{"If-Match": "*"}).data == CONTENT


def test_the_headers_of_a_download_can_be_had_alone(client, finished):
    file = client.get(f"/api/v1/jobs/{finished}/checkpoints").json["items"][0]

    response = client.head(f"/api/v1/checkpoints/{file['id']}/download", buffered=True)

    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert response.data == b""


@pytest.mark.parametrize("name", ['a "b".pt', "modèle 模型.pt", "a;b=c.pt", "../../etc/passwd"])
def test_a_file_name_stays_a_name(client, lease, database, settings, tmp_path, name):
    (tmp_path / "model.pt").write_bytes(CONTENT)
    blob = store.connect(settings.storage_address).put(tmp_path / "model.pt")
    endings.succeed(database, lease, "c" * 64, [Publication(blob, 1, "pt", name)])

    header = download(client, lease.job_id).headers["Content-Disposition"]

    kind, told = parse_options_header(header)
    assert (kind, told["filename"]) == ("attachment", name)


def test_a_download_over_a_real_connection_can_be_broken_off_and_resumed(app, finished):
    with serving(app) as address, httpx.Client(base_url=address, timeout=20) as browser:
        file = browser.get(f"/api/v1/jobs/{finished}/checkpoints").json()["items"][0]
        path = f"/api/v1/checkpoints/{file['id']}/download"
        with browser.stream("GET", path) as response:
            got = next(response.iter_raw(1000))
            tag = response.headers["ETag"]
        rest = browser.get(path, headers={"Range": f"bytes={len(got)}-", "If-Range": tag})
        cached = browser.get(path, headers={"If-None-Match": tag})
        beyond = browser.get(path, headers={"Range": f"bytes={len(CONTENT)}-"})

    assert rest.status_code == 206
    assert got + rest.content == CONTENT
    assert f'"{hashlib.sha256(CONTENT).hexdigest()}"' == tag == f'"{file["sha256"]}"'
    assert (cached.status_code, cached.content) == (304, b"")
    assert beyond.status_code == 416


def test_a_blob_that_is_gone_is_404(client, finished, settings):
    for blob in (settings.home.parent / "storage").rglob("*"):
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


def test_the_spec_tells_its_schema_the_presets_and_the_data_sets(client):
    told = client.get("/api/v1/spec").json

    assert "optimizer" in told["schema"]["properties"]
    assert [preset["name"] for preset in told["presets"]] == list(PRESETS)
    assert set(told["presets"][0]) == {"name", "title", "reason", "result", "spec"}
    datasets = {dataset["name"]: dataset for dataset in told["datasets"]}
    assert list(datasets) == list(DATASETS)
    assert datasets["digits"]["train_count"] == 1437
    for dataset in datasets.values():
        assert len(dataset["mean"]) == len(dataset["std"]) == dataset["channels"]
        assert dataset["license"]
        assert dataset["source"]


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


@contextlib.contextmanager
def silent_server():
    """The address of a server that never answers, and what counts its new connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        server.setblocking(False)

        def new_connections():
            number = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    server.accept()[0].close()
                    number += 1
            return number

        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0", new_connections


def test_only_the_first_submit_waits_for_a_redis_that_never_answers(settings, serve, monkeypatch):
    monkeypatch.setattr(notify, "PAUSE_AFTER_FAILURE_S", 600)
    with silent_server() as (address, new_connections):
        client = serve(settings.model_copy(update={"redis_url": address}))
        assert client.post("/api/v1/jobs", json={"name": "x"}).status_code == 201
        assert new_connections() > 0
        for _ in range(2):
            assert client.post("/api/v1/jobs", json={"name": "x"}).status_code == 201
        assert new_connections() == 0

    assert count(client) == 3


def test_a_submit_with_redis_away_succeeds(settings, serve):
    client = serve(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))

    response = client.post("/api/v1/jobs", json={"name": "x"})

    assert response.status_code == 201
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


NEEDS_NO_DATABASE = {"/healthz", "/api/v1/spec", "/api/v1/network"}


def test_with_the_database_away_no_request_is_a_fault(redis_url, tmp_path, app, serve):
    address = "postgresql+psycopg://nobody:hunter2@127.0.0.1:1/none"
    client = serve(
        Settings(home=tmp_path, database_url=address, redis_url=redis_url, secret_key="x")
    )

    for method, rule in sorted(addresses.of_api(app)):
        if rule in NEEDS_NO_DATABASE:
            continue
        body = {"name": "x"} if rule.endswith("/jobs") else {} if method == "POST" else None
        path = addresses.filled(rule, "0" * 64 if "key" in rule else 1)
        response = client.open(path, method=method, json=body)

        assert response.status_code == 503, path
        assert int(response.headers["Retry-After"]) > 0
        assert response.content_type == "application/problem+json"
        assert "hunter2" not in response.text


def test_a_database_without_tables_is_503_and_says_what_to_do(empty_database_address, serve):
    client = serve(Settings(database_url=empty_database_address, secret_key="x"))

    response = client.post("/api/v1/jobs", json={"name": "x"})

    assert response.status_code == 503
    assert "trainyard db upgrade" in response.json["detail"]


def test_with_the_file_store_away_downloads_and_readiness_are_503(client, finished, settings):
    folder = settings.home.parent / "storage"
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("not a folder")

    for response in (download(client, finished), client.get("/readyz")):
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0


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
