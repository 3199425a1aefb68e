"""The workers over the API."""

from __future__ import annotations


def test_workers_show_what_they_run(client, lease):
    [worker] = client.get("/api/v1/workers").json["items"]

    assert (worker["name"], worker["running"], worker["stopped_at"]) == (
        "ada",
        [lease.job_id],
        None,
    )
