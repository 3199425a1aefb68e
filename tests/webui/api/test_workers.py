"""The workers over the API."""

from __future__ import annotations

from core import workers


def test_workers_show_what_they_run(client, lease):
    [worker] = client.get("/api/v1/workers").json["items"]

    assert (worker["name"], worker["running"], worker["stopped_at"]) == (
        "ada",
        [lease.job_id],
        None,
    )


def test_a_worker_says_by_one_word_how_it_is(client, lease, database):
    [worker] = client.get("/api/v1/workers").json["items"]
    assert (worker["status"], worker["lost_at"]) == ("live", None)

    with database.writing() as session:
        workers.mark_lost(session, worker["id"])

    [worker] = client.get("/api/v1/workers").json["items"]
    assert (worker["status"], worker["is_live"], worker["stopped_at"]) == ("lost", False, None)
    assert worker["lost_at"]
