"""The workers over the API."""

from __future__ import annotations

from core import workers
from core.jobs import endings
from core.jobs.capacity import of_dataset
from core.jobs.endings import Failure
from core.messages import plain
from tests.services import wait_until
from tests.webui.api.conftest import MOMENT

NO_DATA = Failure("data_unavailable", plain("No network."), work=of_dataset("mnist"))


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


def test_a_worker_says_what_it_rests_from_and_can_be_told_to_try_again(client, lease, database):
    endings.end(database, lease, "worker_fault", NO_DATA)

    [worker] = client.get("/api/v1/workers").json["items"]

    [rest] = worker["rests"]
    assert MOMENT.fullmatch(rest.pop("since"))
    assert MOMENT.fullmatch(rest.pop("until"))
    assert rest == {
        "work": "dataset:mnist",
        "text": "runs on mnist",
        "kind": "data_unavailable",
        "reason": {"code": "text", "params": {"text": "No network."}, "text": "No network."},
        "tries": 1,
        "job_id": lease.job_id,
    }

    def reason():
        return client.get(f"/api/v1/jobs/{lease.job_id}").json["queue_status"]["code"]

    wait_until(lambda: reason() == "queue.worker_rests", "no earlier forecast is shown any more")
    for _ in range(2):
        answer = client.post(f"/api/v1/workers/{worker['id']}/resume")
        assert (answer.status_code, answer.json["rests"]) == (200, [])
    events = client.get(f"/api/v1/jobs/{lease.job_id}/events/history").json["items"]
    assert [each["kind"] for each in events].count("worker_resumed") == 1


def test_an_unknown_worker_cannot_be_told(client):
    assert client.post("/api/v1/workers/99/resume").status_code == 404
