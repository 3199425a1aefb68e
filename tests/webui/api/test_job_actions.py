"""What the API does with a run that exists: cancel, pause, resume, retry."""

from __future__ import annotations

from unittest.mock import ANY

import pytest

from core.jobs import endings
from core.jobs.endings import Failure
from core.messages import plain
from tests.webui.api.conftest import MOMENT, errors, secure, submitted


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


def ask(client, job, action, body=None):
    return client.post(f"/api/v1/jobs/{job}/{action}", json=body)


def test_a_queued_run_is_paused_resumed_and_shows_who_asked(client):
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


def test_a_running_run_is_asked_to_pause_once_and_can_be_resumed(client, lease, database):
    first = ask(client, lease.job_id, "pause").json
    second = ask(client, lease.job_id, "pause", {"by": "bob"}).json
    resumed = ask(client, lease.job_id, "resume").json

    assert (first["state"], first["desired"], first["queue_status"]) == ("running", "pause", None)
    assert second == first
    assert (resumed["state"], resumed["desired"]) == ("running", "run")


@pytest.mark.parametrize("from_scratch", [False, True])
def test_a_failed_run_is_retried(client, lease, database, from_scratch):
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
def test_a_wrong_action_is_422_naming_each_field_and_changes_nothing(client, action, body, fields):
    job = submitted(client)
    before = client.get(f"/api/v1/jobs/{job}").json

    response = ask(client, job, action, body)

    assert response.status_code == 422
    assert set(errors(response)) == fields
    assert client.get(f"/api/v1/jobs/{job}").json == before


@pytest.mark.parametrize("action", ["cancel", "pause", "resume"])
def test_only_a_retry_takes_from_scratch(client, action):
    response = ask(client, submitted(client), action, {"from_scratch": True})

    assert set(errors(response)) == {"from_scratch"}


@pytest.mark.parametrize("action", ASKED)
def test_an_action_needs_no_body(client, lease, database, action):
    job = lease.job_id
    if action == "retry":
        endings.end(database, lease, "failed")
    bare = client.post(f"/api/v1/jobs/{job}/{action}")

    assert bare.status_code == 200
    assert bare.json["desired_by"] == ("owner" if action != "resume" else None)


@pytest.mark.parametrize("action", ["pause", "resume", "retry"])
def test_an_action_that_is_not_declared_as_json_is_refused_rather_than_ignored(client, action):
    response = client.post(
        f"/api/v1/jobs/{submitted(client)}/{action}", data='{"from_scratch": true}'
    )

    assert response.status_code == 415


@pytest.mark.parametrize("action", ASKED)
def test_an_action_on_what_does_not_exist_is_404(client, action):
    for job in (7, 2**64):
        assert ask(client, job, action).status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"x" * 2_000_000])
def test_a_cancel_needs_no_body_and_minds_none(client, body):
    job = client.post("/api/v1/jobs", json={"name": "x"}).json["id"]

    response = client.post(f"/api/v1/jobs/{job}/cancel", data=body)

    assert response.json["state"] == "cancelled"
