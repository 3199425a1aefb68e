"""The page of the workers."""

from __future__ import annotations

from core import workers
from tests.webui.pages.conftest import get


def test_the_workers_page_shows_who_is_there_and_what_they_run(client, running):
    job_id, _ = running()
    row = get(client, "/workers").one("tr", id="worker-1")
    for text in ("live", "worker-one", "CPU, 2 cores", "1 of 2", f"#{job_id}", "default", "1.2.3"):
        assert text in row.text
    assert get(client, "/workers").one("a", href=f"/jobs/{job_id}")


def test_a_worker_that_stopped_is_shown_as_stopped(client, database, worker_id):
    workers.mark_stopped(database, worker_id)
    row = get(client, "/workers").one("tr", id=f"worker-{worker_id}")
    assert row.attributes["data-state"] == "stopped"


def test_without_workers_the_page_says_how_to_start_one(client):
    assert "trainyard worker" in get(client, "/workers").text
