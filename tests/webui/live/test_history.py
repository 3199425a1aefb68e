"""The history over the API: of one run page by page, of all runs as a stream."""

from __future__ import annotations

import pytest
from httpx_sse import connect_sse

from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER


def test_the_history_of_a_run_is_listed_and_paged(client, database, recorder):
    job_id = recorder.lease.job_id
    lifecycle.pause(database, job_id, LOCAL_OWNER)
    address = f"/api/v1/jobs/{job_id}/events/history"

    first = client.get(f"{address}?limit=1").json
    rest = client.get(f"{address}?cursor={first['next']}").json["items"]

    assert first["items"][0]["kind"] == "submitted"
    assert rest[-1]["kind"] == "pause_requested"
    assert rest[-1]["actor"] == LOCAL_OWNER.as_json()


def test_the_stream_of_all_runs_continues_after_an_event(browser, database, recorder):
    with connect_sse(browser, "GET", "/api/v1/events?after=0") as source:
        submitted = next(each for each in source.iter_sse() if each.data)
    lifecycle.pause(database, recorder.lease.job_id, LOCAL_OWNER)
    with connect_sse(browser, "GET", f"/api/v1/events?after={submitted.id}") as source:
        following = next(each for each in source.iter_sse() if each.data)

    assert submitted.json()["kind"] == "submitted"
    assert int(following.id) > int(submitted.id)


@pytest.mark.parametrize("after", ["x", "-1", "9" * 19])
def test_what_is_no_event_is_refused(client, after):
    assert client.get(f"/api/v1/events?after={after}").status_code == 422
