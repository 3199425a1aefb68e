"""Runs over the API: submitted, listed, shown, with all that they record."""

from __future__ import annotations

import json
from unittest.mock import ANY

import pytest

from core.errors import DatabaseUnavailable
from core.jobs import claim, endings
from core.jobs.claim import Claimant
from core.jobs.endings import Failure, Publication
from core.jobs.recorder import Recorder
from core.messages import plain
from core.protocol.reports import Evaluated, Line, Shrunk, StepMetrics
from core.spec.presets import PRESETS
from core.storage import store
from core.storage.blobs import Blob
from tests.reported import epoch_end, evaluated, started
from tests.webui.api.conftest import (
    CONTENT,
    MOMENT,
    count,
    errors,
    give_way,
    secure,
    submitted,
)

JOB = {
    *("id", "name", "state", "desired", "spec", "priority", "queue", "attempt", "created_at"),
    *("started_at", "finished_at", "progress", "train_loss", "test_loss", "test_accuracy"),
    *("weights_sha256", "error", "worker", "queue_status", "last_heartbeat_at", "snapshot"),
    *("desired_at", "desired_by", "devices", "validation_loss", "validation_accuracy"),
    *("stop", "stop_reason", "micro_batch", "gives_way"),
    *("last_heard_at", "resume_point", "owner", "tags", "notes", "private", "cloned_from"),
    "weights_from",
    *("train_loss_over", "published_epoch", "last_epoch", "deleted_at", "purge_at"),
}

PROGRESS = {"epoch", "epochs", "batch", "batches", "fraction", "eta_s", "images_per_s"}

EPOCH = {
    *("epoch", "train_loss", "validation_loss", "validation_accuracy", "test_loss"),
    *("test_accuracy", "learning_rate", "gradient_norm", "memory_bytes", "seconds"),
    "images_per_s",
}

CHECKPOINT = {"id", "kind", "format", "filename", "size", "sha256", "epoch", "created_at"}


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


def test_every_run_is_private_that_is_submitted_so(client):
    bodies = ({"private": True}, {"private": True}, {}, {"private": True})
    made = [client.post("/api/v1/jobs", json={"name": "one"} | body).json["id"] for body in bodies]

    found = [client.get(f"/api/v1/jobs/{job_id}").json["private"] for job_id in made]

    assert found == [True, True, False, True]


def test_a_finished_run_shows_everything(client, finished):
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


def test_an_epoch_and_an_attempt_show_what_was_measured(client, database, lease):
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


def test_the_measurements_of_a_run_are_those_of_what_it_published(client, database, lease):
    recorder = Recorder(database, lease, 30)
    for report in (
        started(),
        epoch_end(test_accuracy=0.9),
        epoch_end(epoch=2, step=20, test_accuracy=0.8, train_loss=0.1),
    ):
        recorder.record(report)
    recorder.flush()
    address = f"/api/v1/jobs/{lease.job_id}"
    running = client.get(address).json
    endings.succeed(database, lease, "c" * 64, [Publication(Blob("a" * 64, 5), 1, "pt", "x.pt")])

    job = client.get(address).json

    assert (running["test_accuracy"], running["published_epoch"]) == (0.8, None)
    assert (running["train_loss_over"], running["last_epoch"]) == ("epoch", None)
    assert (job["test_accuracy"], job["train_loss"], job["train_loss_over"]) == (0.9, 0.2, "epoch")
    assert job["published_epoch"] == 1
    assert job["last_epoch"] == {
        "epoch": 2,
        "train_loss": 0.1,
        "test_loss": 0.1,
        "test_accuracy": 0.8,
        "validation_loss": None,
        "validation_accuracy": None,
    }
    [listed] = client.get("/api/v1/jobs?sort=-test_accuracy").json["items"]
    assert (listed["test_accuracy"], listed["published_epoch"]) == (0.9, 1)
    assert listed["last_epoch"] is None


def test_an_evaluation_is_sent_as_the_worker_wrote_it_down(client, database, lease):
    written = {
        "count": 2,
        "accuracy": 0.5,
        "loss": 1.0,
        "confusion": [[1, 1]],
        "classes": [
            {"name": "a", "support": 2, "precision": 1.0, "recall": 0.0, "f1": 0.25, "later": 1}
        ],
        "calibration": {
            "expected_calibration_error": 0.01,
            "bins": [
                {"lower": 0.0, "upper": 0.5, "count": 0, "confidence": None, "accuracy": None}
            ],
            "later": 2,
        },
        "mistakes": [
            {"index": 1, "label": 0, "predicted": 1, "confidence": 0.9, "image": "aGk=", "later": 3}
        ],
        "of_a_later_worker": [1],
    }
    recorder = Recorder(database, lease, 30)
    recorder.record(Evaluated(content=written))
    recorder.flush()

    sent = client.get(f"/api/v1/jobs/{lease.job_id}/evaluation").text

    assert sent == json.dumps({"attempt": 1} | written, separators=(",", ":")) + "\n"


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


def test_a_failed_run_shows_its_error(client, lease, database):
    endings.end(database, lease, "failed", Failure("ValueError", plain("no"), "Traceback …"))

    job = client.get(f"/api/v1/jobs/{lease.job_id}").json

    assert job["error"] == {
        "kind": "ValueError",
        "code": "text",
        "params": {"text": "no"},
        "message": "no",
        "traceback": "Traceback …",
    }


def test_the_list_is_paged(client):
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


def test_a_queued_run_shows_its_position_and_why_it_waits(client, lease):
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


def test_a_running_run_shows_its_last_heartbeat(client, lease, database):
    running = client.get(f"/api/v1/jobs/{lease.job_id}").json
    endings.end(database, lease, "drained")
    queued = client.get(f"/api/v1/jobs/{lease.job_id}").json

    assert MOMENT.fullmatch(running["last_heartbeat_at"])
    assert (running["queue_status"], queued["last_heartbeat_at"]) == (None, None)


def test_a_run_that_is_being_paused_for_another_tells_for_which(client, lease, database):
    [before] = client.get("/api/v1/jobs").json["items"]
    high = give_way(client, database)

    shown = client.get(f"/api/v1/jobs/{lease.job_id}").json["gives_way"]

    assert before["gives_way"] is None
    assert (shown["code"], shown["params"]["job_id"]) == ("queue.giving_way", high)
    assert shown["text"].startswith(f"it is being paused for run {high} of owner, priority 5 over")
    listed = {job["id"]: job["gives_way"] for job in client.get("/api/v1/jobs").json["items"]}
    assert listed == {lease.job_id: shown, high: None}
    client.post(f"/api/v1/jobs/{lease.job_id}/pause")  # what a person wants counts
    assert client.get(f"/api/v1/jobs/{lease.job_id}").json["gives_way"] is None


def test_the_newest_snapshot_is_shown_of_a_single_run(client, lease, database):
    secure(database, lease.job_id, 10, 20, 35)

    assert client.get(f"/api/v1/jobs/{lease.job_id}").json["snapshot"] == {
        "epoch": 3,
        "batch": 0,
        "step": 35,
    }
    assert client.get("/api/v1/jobs").json["items"][0]["snapshot"] is None


def test_a_submit_that_cannot_be_read_again_was_a_submit_all_the_same(client, monkeypatch):
    def away(*_, **__):
        raise DatabaseUnavailable("away")

    monkeypatch.setattr("webui.api.shapes.whole_job", away)
    response = client.post("/api/v1/jobs", json={"name": "x"})

    assert (response.status_code, response.json["queue_status"]) == (201, None)
    assert count(client) == 1


def test_every_list_of_a_run_is_paged_and_has_each_row_once(
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


def test_a_list_is_filtered_and_sorted_by_what_the_address_asks(client):
    for number in range(3):
        spec = {"dataset": "digits" if number else "mnist"}
        tags = ["odd"] if number % 2 else []
        body = {"name": f"run {number}", "preset": "quick", "spec": spec, "tags": tags}
        assert client.post("/api/v1/jobs", json=body).status_code == 201

    def names(query):
        return [job["name"] for job in client.get(f"/api/v1/jobs?{query}").json["items"]]

    assert names("dataset=digits") == ["run 2", "run 1"]
    assert names("tag=odd") == names("text=1") == ["run 1"]
    assert names("model=cnn&preset=quick&owner=owner&state=queued,running") == [
        *("run 2", "run 1", "run 0"),
    ]
    assert names("sort=test_loss") == []  # none of them has one
    assert client.get("/api/v1/jobs?tag=odd").json["items"][0]["tags"] == ["odd"]
    assert client.get("/api/v1/jobs?sort=beauty").status_code == 422


@pytest.mark.parametrize("tags", [["a,b"], ["a\nb"], ["x" * 61], ["t"] * 21, "t", [1]])
def test_tags_that_cannot_be_are_refused(client, tags):
    response = client.post("/api/v1/jobs", json={"name": "run", "tags": tags})

    assert response.status_code == 422
    assert response.json["errors"][0]["field"].startswith("tags")


def test_empty_tags_are_left_out_and_others_trimmed(client):
    response = client.post("/api/v1/jobs", json={"name": "run", "tags": ["", " a ", "a"]})

    assert response.json["tags"] == ["a"]


def submit_by(client, key, **more):
    body = {"name": "once", "preset": "quick", **more}
    return client.post("/api/v1/jobs", json=body, headers={"Idempotency-Key": key})


def test_a_submit_by_a_key_makes_one_job_however_often_it_is_sent(client):
    first, again = submit_by(client, "a key"), submit_by(client, "a key")
    other = submit_by(client, "another")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json["id"] == again.json["id"] != other.json["id"]
    assert first.headers["Location"] == again.headers["Location"]
    assert count(client) == 2


@pytest.mark.parametrize("more", [{"name": "twice"}, {"spec": {"epochs": 7}}])
def test_a_key_that_is_sent_with_another_job_is_refused(client, more):
    job = submit_by(client, "a key").json["id"]

    refused = submit_by(client, "a key", **more)

    [error] = refused.json["errors"]
    assert (refused.status_code, error["field"]) == (422, "Idempotency-Key")
    assert (error["code"], error["params"]) == ("input.key_of_another", {"job_id": job})
    assert count(client) == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_some_characters_and_not_too_many(client, key):
    assert set(errors(submit_by(client, key))) == {"Idempotency-Key"}
    assert count(client) == 0


def test_a_submit_for_several_seeds_is_answered_with_a_list_and_found_again_by_its_key(client):
    body = {"name": "wide", "preset": "quick", "seeds": "0-2"}
    first = client.post("/api/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    again = client.post("/api/v1/jobs", json=body, headers={"Idempotency-Key": "k"})

    assert first.status_code == 201
    items = first.json["items"]
    assert [(job["name"], job["spec"]["seed"]) for job in items] == [
        (f"wide (seed {seed})", seed) for seed in (0, 1, 2)
    ]
    tag = f"seeds-{items[0]['id']}"
    assert all(job["tags"] == [tag] for job in items)
    assert first.headers["Location"] == f"/api/v1/jobs?tag={tag}"
    assert [job["id"] for job in again.json["items"]] == [job["id"] for job in items]
    assert len(client.get(first.headers["Location"]).json["items"]) == 3
    other = client.post(
        "/api/v1/jobs", json=body | {"seeds": [0, 5]}, headers={"Idempotency-Key": "k"}
    )
    assert other.status_code == 422


def test_wrong_seeds_queue_nothing(client):
    for seeds in ("0-50", "x", [-1], [True], {"from": 0}):
        answer = client.post("/api/v1/jobs", json={"name": "wide", "seeds": seeds})
        assert answer.status_code == 422, seeds
        assert answer.json["errors"][0]["field"].startswith("seeds")
    assert not client.get("/api/v1/jobs").json["items"]


def test_runs_for_seeds_need_room_in_their_names_and_for_a_tag(client):
    tags = [f"tag {number}" for number in range(20)]
    answer = client.post("/api/v1/jobs", json={"name": "x" * 120, "seeds": "0-1", "tags": tags})
    assert {each["field"] for each in answer.json["errors"]} == {"name", "tags"}
