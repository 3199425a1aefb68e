"""Deleting and restoring, cleaning, and what takes how much, over the API."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from core.database.clock import now
from core.database.models import Job
from core.jobs import endings
from core.jobs.endings import Failure
from core.messages import plain
from tests.webui.api.conftest import CONTENT, MOMENT, count, errors, secure, submitted


def send(client, path, **body):
    return client.post(f"/api/v1{path}", json=body)


def test_a_deleted_run_is_in_no_list_says_so_and_can_be_restored(client):
    job = submitted(client)

    deleted = client.delete(f"/api/v1/jobs/{job}")

    assert deleted.status_code == 200
    assert MOMENT.fullmatch(deleted.json["deleted_at"])
    assert deleted.json["purge_at"] > deleted.json["deleted_at"]
    assert count(client) == 0
    assert client.get("/api/v1/jobs?deleted=true").json["items"][0]["id"] == job
    assert client.get(f"/api/v1/jobs/{job}").json == deleted.json

    restored = client.post(f"/api/v1/jobs/{job}/restore")
    assert (restored.json["deleted_at"], restored.json["state"]) == (None, "queued")
    assert count(client) == 1
    texts = [
        event["text"] for event in client.get(f"/api/v1/jobs/{job}/events/history").json["items"]
    ]
    assert texts[1:] == [
        "Taken off the queue and deleted by owner",
        "Restored and queued again by owner",
    ]


def test_a_running_run_is_not_deleted(client, lease):
    answer = client.delete(f"/api/v1/jobs/{lease.job_id}")

    assert (answer.status_code, answer.json["code"]) == (409, "run.is_running")


def test_of_several_runs_those_that_can_be_are_deleted_and_the_others_are_named(client, lease):
    jobs = [submitted(client), submitted(client)]

    answer = send(client, "/jobs/delete", ids=[*jobs, lease.job_id, 99, jobs[0]])

    assert answer.json["done"] == jobs
    assert [(each["id"], each["code"]) for each in answer.json["refused"]] == [
        (lease.job_id, "run.is_running"),
        (99, "run.unknown"),
    ]
    assert count(client) == 1
    assert send(client, "/jobs/restore", ids=jobs).json == {"done": jobs, "refused": []}
    assert count(client) == 3


@pytest.mark.parametrize(
    "body",
    [{}, {"ids": []}, {"ids": [0]}, {"ids": ["1"]}, {"ids": 1}, {"ids": list(range(1, 1002))}],
)
def test_a_wrong_list_of_runs_is_422_and_deletes_nothing(client, body):
    submitted(client)

    assert send(client, "/jobs/delete", **body).status_code == 422
    assert count(client) == 1


def test_a_deleted_run_answers_what_is_asked_of_it_with_409(client):
    job = submitted(client)
    client.delete(f"/api/v1/jobs/{job}")

    answer = client.post(f"/api/v1/jobs/{job}/resume")

    assert (answer.status_code, answer.json["code"]) == (409, "run.deleted")


def test_a_clean_is_a_dry_run_unless_it_is_said_otherwise(client, lease, database):
    secure(database, lease.job_id, 10)
    endings.end(database, lease, "failed", Failure("E", plain("no")))
    with database.writing() as session:
        session.execute(update(Job).values(finished_at=now(-99)))

    dry = send(client, "/clean", snapshots_days=0)
    again = send(client, "/clean", snapshots_days=0, dry_run=False)

    expected = [{"kind": "snapshots", "runs": 1, "count": 1, "bytes": 5}]
    assert dry.json == {"dry_run": True, "items": expected, "next": None}
    assert again.json == {"dry_run": False, "items": expected, "next": None}
    assert client.get(f"/api/v1/jobs/{lease.job_id}").json["snapshot"] is None
    assert send(client, "/clean").json == {"dry_run": True, "items": [], "next": None}


def test_deleted_runs_are_removed_at_once_where_that_is_asked_for(client):
    job = submitted(client)
    client.delete(f"/api/v1/jobs/{job}")

    assert send(client, "/clean", deleted=True).json["items"] == [
        {"kind": "deleted", "runs": 1, "count": 1, "bytes": 0}
    ]
    send(client, "/clean", deleted=True, dry_run=False)

    assert client.get(f"/api/v1/jobs/{job}").status_code == 404
    assert submitted(client) > job


@pytest.mark.parametrize("body", [{"snapshots_days": -1}, {"logs_days": "1"}, {"nonsense": 1}])
def test_a_wrong_clean_is_422(client, body):
    assert set(errors(send(client, "/clean", **body))) == set(body)


def test_the_storage_says_what_takes_how_much(client, finished):
    answer = client.get("/api/v1/storage").json

    kinds = {each["kind"]: each for each in answer["kinds"]}
    assert (kinds["artifacts"]["count"], kinds["artifacts"]["bytes"]) == (1, len(CONTENT))
    for kind in ("logs", "metrics", "database"):
        assert kinds[kind]["bytes"] > 0, kind
    assert kinds["snapshots"] == {"kind": "snapshots", "count": 0, "bytes": 0}
    [largest] = answer["largest"]
    assert (largest["id"], largest["files"]) == (finished, len(CONTENT))
    assert largest["rows"] > 0


def test_an_unknown_choice_of_deleted_runs_is_422(client):
    assert client.get("/api/v1/jobs?deleted=perhaps").status_code == 422
