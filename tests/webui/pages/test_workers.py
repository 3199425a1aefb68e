"""The page of the workers."""

from __future__ import annotations

from core import workers
from core.jobs import deletion, endings
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import of_dataset
from core.jobs.endings import Failure
from core.messages import plain
from tests.webui.pages.conftest import get, token

NO_DATA = Failure("data_unavailable", plain("No <network>."), work=of_dataset("mnist"))


def test_the_workers_page_shows_who_is_there_and_what_they_run(client, running):
    job_id, _ = running()
    row = get(client, "/workers").one("li", id="worker-1")
    for text in ("live", "worker-one", "CPU, 2 cores", "1 of 2", f"#{job_id}", "default", "1.2.3"):
        assert text in row.text
    assert get(client, "/workers").one("a", href=f"/jobs/{job_id}")


def test_a_cpu_is_named_in_the_readers_language(client, running):
    running()
    answer = client.get("/workers", headers={"Accept-Language": "zh"})
    assert "CPU，2 核" in answer.text


def test_everything_says_that_a_worker_is_starting_and_nothing_asks_for_another(
    client, database, submitted
):
    workers.register(database, workers.WorkerFacts("comes", 1, "0", ["default"], [], 0))
    job = submitted()

    page = get(client, "/workers")
    assert page.one("section", id="worker-1").text.startswith("Worker comes is starting.")
    assert "No workers connected" not in page.text
    assert not page.all("details", id="gone")
    run = get(client, f"/jobs/{job.id}").text
    assert "A worker is starting: it loads PyTorch" in run
    assert "No worker is live" not in run
    assert "A worker is starting: it runs what it can" in get(client, "/jobs/new").text
    assert client.get("/readyz").json["workers"] == "starting"
    assert client.get("/api/v1/workers").json["items"][0]["status"] == "starting"
    preview = client.post("/api/v1/previews", json={"dataset": "digits"}).json["url"]
    assert client.get(preview).json["code"] == "preview.worker_starting"


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

    assert page.one("li", id=f"worker-{other}").attributes["data-state"] == "live"
    assert page.one("tr", id=f"worker-{worker_id}").attributes["data-state"] == "lost"


def test_without_workers_the_page_says_how_to_start_one(client):
    assert "trainyard worker" in get(client, "/workers").text


def test_a_worker_that_rests_says_why_and_a_button_ends_that(client, running, database):
    job_id, lease = running()
    endings.end(database, lease, "worker_fault", NO_DATA)

    page = get(client, "/workers")

    assert page.one("li", id="worker-1").attributes["data-state"] == "resting"
    shown = page.one("ul", id="rests-1").text
    assert "Rests from runs on mnist" in shown
    assert "No <network>. Seen in run #1. Next try in about" in shown
    assert "rests" in get(client, f"/jobs/{job_id}").text
    answer = client.post("/workers/1/resume", data={"csrf_token": token(client)})
    assert (answer.status_code, answer.location) == (303, "/workers#worker-1")
    assert get(client, "/workers").one("li", id="worker-1").attributes["data-state"] == "live"
    assert get(client, "/workers").all("ul", id="rests-1") == []


def test_a_rest_links_to_no_run_that_is_gone(client, running, database):
    job_id, lease = running()
    endings.end(database, lease, "worker_fault", NO_DATA)
    assert [link for link in links(client) if link.endswith(f"/{job_id}")]

    deletion.delete(database, job_id, LOCAL_OWNER, undo_s=0.0)
    deletion.purge(database)

    assert [link for link in links(client) if link.endswith(f"/{job_id}")] == []
    assert f"Seen in run #{job_id}" in get(client, "/workers").one("ul", id="rests-1").text


def links(client):
    return [each.attributes["href"] for each in get(client, "/workers").all("a")]


def test_a_worker_is_drained_and_resumed_by_buttons_that_say_who(client, running):
    job_id, _ = running()

    answer = client.post("/workers/1/drain", data={"csrf_token": token(client)})

    assert (answer.status_code, answer.location) == (303, "/workers#worker-1")
    card = get(client, "/workers").one("li", id="worker-1")
    assert card.attributes["data-state"] == "draining"
    assert "Drained by owner" in card.text
    assert "It finishes what it runs" in card.text
    assert f"#{job_id}" in card.text
    client.post("/workers/1/resume", data={"csrf_token": token(client)})
    card = get(client, "/workers").one("li", id="worker-1")
    assert card.attributes["data-state"] == "live"
    assert "Resumed by owner" in card.text


def test_each_gpu_shows_what_its_driver_tells(client, database):
    gpu = {"kind": "cuda", "name": "Stub 9000", "memory_bytes": 80_000_000_000}
    facts = workers.WorkerFacts("other", 1, "0", ["default"], [gpu, gpu], 2)
    worker_id = workers.register(database, facts)
    first = {"utilization": 0.42, "memory_used_bytes": 20_000_000_000, "temperature_c": 61}
    devices = [first | {"memory_bytes": 80_000_000_000, "runs": []}, {"runs": []}]
    workers.heartbeat(database, worker_id, gauges={"devices": devices})

    card = get(client, "/workers").one("li", id=f"worker-{worker_id}").text

    assert "GPU 42% Memory 20.0 GB of 80.0 GB 61 °C" in card


def test_workers_of_one_machine_say_that_cpu_and_memory_are_of_the_whole_of_it(client, database):
    of_host = {"cpu": 0.5, "load": 1.0, "cores": 2, "memory_used_bytes": 1, "memory_bytes": 2}
    for name, host in (("ada", "boot-1"), ("bo", "boot-1"), ("cy", "boot-2"), ("di", None)):
        facts = workers.WorkerFacts(name, 1, "0", ["default"], [], 1, host=host)
        workers.heartbeat(database, workers.register(database, facts), gauges={"host": of_host})

    page = get(client, "/workers")

    cards = [page.one("li", id=f"worker-{number}").text for number in (1, 2, 3, 4)]
    assert "of the whole machine, on which worker bo is too" in cards[0]
    assert "of the whole machine, on which worker ada is too" in cards[1]
    assert not [card for card in cards[2:] if "of the whole machine" in card]


def test_the_page_says_what_waits_and_for_what(client, submitted):
    submitted()

    page = get(client, "/workers").text

    assert "Waiting runs1" in page
    assert "No worker is live." in page
