"""Several runs at once over the API: cancelled, tried again, tagged; and saved filters."""

from __future__ import annotations

import pytest

from tests.webui.api.conftest import submitted


def send(client, path, **body):
    return client.post(f"/api/v1{path}", json=body)


def refused(answer):
    return [(each["id"], each["code"]) for each in answer.json["refused"]]


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: each run is changed by a function that is tested on both."""
    return "sqlite"


def test_of_several_runs_those_that_had_ended_are_named_and_the_others_are_cancelled(client, lease):
    ended, waits = submitted(client), submitted(client)
    send(client, f"/jobs/{ended}/cancel")

    answer = send(client, "/jobs/cancel", ids=[ended, waits, lease.job_id, 99])

    assert answer.json["done"] == [waits, lease.job_id]
    assert refused(answer) == [(ended, "run.had_ended"), (99, "run.unknown_newest")]
    assert client.get(f"/api/v1/jobs/{lease.job_id}").json["desired"] == "cancel"


def test_only_the_failed_ones_of_several_runs_are_tried_again(client):
    waits = submitted(client)

    answer = send(client, "/jobs/retry", ids=[waits])

    assert (answer.json["done"], refused(answer)) == ([], [(waits, "run.not_retryable")])


def test_several_runs_are_tagged_and_keep_their_other_tags(client):
    tagged, plain = submitted(client, tags=["old", "kept"]), submitted(client)

    answer = send(client, "/jobs/tag", ids=[tagged, plain], add=["new"], remove=["old"])

    assert answer.json == {"done": [tagged, plain], "refused": []}
    tags = [client.get(f"/api/v1/jobs/{job}").json["tags"] for job in (tagged, plain)]
    assert tags == [["kept", "new"], ["new"]]


def test_a_run_that_would_have_too_many_tags_is_named_and_keeps_its_own(client):
    full = submitted(client, tags=[f"t{number}" for number in range(20)])

    answer = send(client, "/jobs/tag", ids=[full], add=["one more"])

    assert refused(answer) == [(full, "run.too_many_tags")]
    assert len(client.get(f"/api/v1/jobs/{full}").json["tags"]) == 20


@pytest.mark.parametrize("more", [{}, {"add": []}, {"add": ["a,b"]}, {"add": ["x" * 61]}])
def test_wrong_tags_are_422_and_change_nothing(client, more):
    job = submitted(client, tags=["kept"])

    assert send(client, "/jobs/tag", ids=[job], **more).status_code == 422
    assert client.get(f"/api/v1/jobs/{job}").json["tags"] == ["kept"]


def test_a_filter_is_saved_listed_and_removed(client):
    kept = send(client, "/filters", name="best", query="state=succeeded&sort=-test_accuracy")

    assert kept.status_code == 201
    assert client.get("/api/v1/filters").json["items"] == [kept.json]
    assert client.delete(f"/api/v1/filters/{kept.json['id']}").json == kept.json
    assert client.get("/api/v1/filters").json["items"] == []
    assert client.delete(f"/api/v1/filters/{kept.json['id']}").status_code == 404


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("sort=-test_accuracy&state=failed", "state=failed&sort=-test_accuracy"),
        ("state=failed&state=succeeded&tag=", "state=failed%2Csucceeded"),
        ("text=a%20b&tag=ä", "tag=%C3%A4&text=a+b"),
        ("", ""),
    ],
)
def test_a_filter_is_kept_as_the_list_writes_it(client, query, kept):
    assert send(client, "/filters", name="x", query=query).json["query"] == kept


@pytest.mark.parametrize(
    "query", ["state=lazy", "sort=beauty", "cursor=1", "page", "created_from=now", "?state=queued"]
)
def test_a_filter_that_the_list_does_not_know_is_422_and_is_not_saved(client, query):
    answer = send(client, "/filters", name="odd", query=query)

    assert answer.status_code == 422
    assert client.get("/api/v1/filters").json["items"] == []


def test_a_list_has_the_runs_of_a_day_and_an_odd_date_is_refused(client):
    job = submitted(client)
    day = client.get(f"/api/v1/jobs/{job}").json["created_at"][:10]

    def ids(query):
        return [each["id"] for each in client.get(f"/api/v1/jobs?{query}").json["items"]]

    assert ids(f"created_from={day}&created_to={day}") == [job]
    assert ids("created_to=2020-01-01") == ids("created_from=2999-01-01") == []
    for odd in ("yesterday", "2026-13-01", "9999-12-31"):
        answer = client.get(f"/api/v1/jobs?created_to={odd}")
        assert answer.status_code == 422, odd
