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


def test_a_worker_that_is_lost_is_shown_as_lost_below_the_live_ones(client, database, worker_id):
    facts = workers.WorkerFacts("other", 1, "0", ["default"], [], 1)
    other = workers.register(database, facts)
    with database.writing() as session:
        workers.mark_lost(session, worker_id)

    page = get(client, "/workers")

    rows = [row.attributes["id"] for row in page.all("tr") if "id" in row.attributes]
    assert rows == [f"worker-{other}", f"worker-{worker_id}"]
    assert page.one("tr", id=f"worker-{worker_id}").attributes["data-state"] == "lost"


def test_without_workers_the_page_says_how_to_start_one(client):
    assert "trainyard worker" in get(client, "/workers").text
