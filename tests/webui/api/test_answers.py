"""Answers have the fields that were asked for, a tag, and a name by which the log knows them."""

from __future__ import annotations

import pytest

from tests.webui.api.conftest import errors, submitted


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


def test_a_list_and_a_run_have_the_chosen_fields_alone(client):
    job = submitted(client)

    listed = client.get("/api/v1/jobs?fields=state,id").json
    one = client.get(f"/api/v1/jobs/{job}?fields=name&fields=spec").json

    assert listed == {"items": [{"state": "queued", "id": job}], "next": None}
    assert set(one) == {"name", "spec"}
    assert client.get("/api/v1/workers?fields=name").json == {"items": [], "next": None}


@pytest.mark.parametrize("path", ["/jobs", "/jobs/1", "/workers"])
def test_an_unknown_field_is_refused(client, path):
    submitted(client)

    answer = client.get(f"/api/v1{path}?fields=id,nothing")

    assert set(errors(answer)) == {"fields"}


@pytest.mark.parametrize("path", ["/jobs", "/jobs/1", "/jobs/1/events/history", "/storage"])
def test_what_is_known_already_is_not_sent_again(client, path):
    submitted(client)

    first = client.get(f"/api/v1{path}", headers={"Accept-Encoding": "gzip"})
    again = client.get(f"/api/v1{path}", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["ETag"].startswith('W/"')
    assert (again.status_code, again.data) == (304, b"")


def test_what_has_changed_is_sent_again(client):
    job = submitted(client)
    tag = client.get(f"/api/v1/jobs/{job}").headers["ETag"]
    client.post(f"/api/v1/jobs/{job}/cancel")

    answer = client.get(f"/api/v1/jobs/{job}", headers={"If-None-Match": tag})

    assert answer.json["state"] == "cancelled"


def test_every_answer_has_an_id_and_keeps_the_one_that_was_sent(client):
    first, second = (client.get("/api/v1/jobs").headers["X-Request-Id"] for _ in range(2))
    named = client.get("/nothing", headers={"X-Request-Id": "proxy-0001"})
    odd = client.get("/healthz", headers={"X-Request-Id": "no good"})

    assert first != second
    assert named.headers["X-Request-Id"] == "proxy-0001"
    assert odd.headers["X-Request-Id"] != "no good"
