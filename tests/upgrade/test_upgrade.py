"""An earlier release's home is served by this one: every page, every answer, every run."""

from __future__ import annotations

import hashlib
from dataclasses import astuple
from itertools import groupby
from operator import itemgetter

import pytest
import torch
from sqlalchemy import text

from core import queries
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.spec.spec import TrainingSpec
from core.states import FINAL, STATES
from tests.services import wait_until
from worker.cores import usable_cores

RENAMED = {"checkpoints": "artifacts", "points": "metric_segments", "resume_points": "snapshots"}
ROWS = {"points": "sum(count)"}
"""How rows are counted, where one holds many."""
LONGEST_S = 240.0


def run_of(left, key):
    return left["runs"][key]["id"]


def test_an_upgrade_keeps_every_row(left, database):
    with database.reading() as session:
        for table, count in left["rows"].items():
            query = text(f"SELECT {ROWS.get(table, 'count(*)')} FROM {RENAMED.get(table, table)}")
            assert session.scalar(query) == count, table


def test_every_metric_sample_is_read_as_it_was_written(samples_before, database, client):
    assert samples_before
    for job_id, rows in groupby(samples_before, key=itemgetter(0)):
        written = [row[1:] for row in rows]
        with database.reading() as session:
            read = queries.metrics(session, job_id, queries.LARGEST_LIMIT).items
        assert [astuple(sample) for sample in read] == written
        curve = client.get(f"/api/v1/jobs/{job_id}/metrics?points=3").json
        losses = [row[4] for row in written]
        assert max(curve["values"]["train_loss"]["max"]) == max(losses)
        assert sum(curve["count"]) == len(losses)


def test_new_rows_get_numbers_of_their_own(left, database):
    spec = TrainingSpec.model_validate(left["runs"]["succeeded"]["spec"])

    made = lifecycle.submit(database, LOCAL_OWNER, name="new", spec=spec)

    assert made.id == 1 + max(run["id"] for run in left["runs"].values())


def test_every_page_shows_what_was_there(left, client):
    assert client.get("/").status_code == client.get("/workers").status_code == 200
    for state in STATES:
        assert client.get(f"/?state={state}").status_code == 200
    for run in left["runs"].values():
        page = client.get(f"/jobs/{run['id']}")
        assert page.status_code == 200
        for sentence in (run["stop_reason"], (run["error"] or {}).get("message")):
            assert sentence is None or sentence.split(":")[0] in page.text
        assert client.get(f"/jobs/{run['id']}?part=1").status_code == 200
        assert client.get(f"/jobs/new?from={run['id']}").status_code == 200
        evaluated = client.get(f"/jobs/{run['id']}/evaluation").status_code
        assert evaluated == (200 if run["evaluated_accuracy"] else 404)
        images = client.get(f"/jobs/{run['id']}/evaluation/images?true=3").status_code
        assert images == evaluated
    for key in left["previews"].values():
        assert client.get(f"/api/v1/previews/{key}.png").status_code in (200, 202, 424)


def test_every_answer_of_the_api_is_there(left, client):
    for path in ("/jobs?limit=1000", "/workers", "/spec"):
        assert client.get(f"/api/v1{path}").status_code == 200
    for run in left["runs"].values():
        path = f"/api/v1/jobs/{run['id']}"
        found = client.get(path).json
        assert (found["state"], found["name"]) == (run["state"], run["name"])
        assert found["weights_sha256"] == run["weights_sha256"]
        assert found["stop_reason"] == run["stop_reason"]
        assert (found["error"] or {}).get("message") == (run["error"] or {}).get("message")
        for what in ("epochs", "metrics", "points", "logs", "artifacts", "checkpoints"):
            assert client.get(f"{path}/{what}?limit=1000").status_code == 200
        attempts = client.get(f"{path}/attempts").json["items"]
        assert [(each["number"], each["outcome"], each["reason"]) for each in attempts] == [
            (each["number"], each["outcome"], each["reason"]) for each in run["attempts"]
        ]
        assert client.get(f"{path}/events/history").json["items"] == []
        if run["evaluated_accuracy"]:
            evaluation = client.get(f"{path}/evaluation").json
            assert evaluation["accuracy"] == run["evaluated_accuracy"]


def test_an_old_page_goes_on_where_it_was(left, client):
    for run in left["runs"].values():
        if run["state"] not in FINAL:
            continue  # the stream of a run that has not ended has no end
        path = f"/api/v1/jobs/{run['id']}/events"
        for position in run["positions"].values():
            answer = client.get(path, headers={"Last-Event-ID": position})
            assert answer.status_code in (200, 204)


@pytest.mark.parametrize("name", ["artifacts", "checkpoints"])
def test_downloads_keep_their_digests(left, client, name):
    for run in left["runs"].values():
        for file in run["downloads"]:
            if name == "checkpoints" and file["format"].startswith("card"):
                continue
            answer = client.get(f"/api/v1/{name}/{file['id']}/download", buffered=True)
            assert hashlib.sha256(answer.data).hexdigest() == file["sha256"]


def test_old_specs_are_read_by_todays_names(left, database):
    for run in left["runs"].values():
        with database.reading() as session:
            job, _ = queries.job(session, run["id"])
        assert TrainingSpec.model_validate(run["spec"]).model_dump(mode="json") == job.spec
        assert run["spec"]["accumulation"] == job.spec["micro_batches"]


@pytest.mark.one_kind  # what is in the rows, the tests above see on both
def test_interrupted_runs_end_as_if_nothing_had_happened(left, database, start_worker):
    """Paused in mid-epoch, failed, drained, killed, backing off, queued: with real processes."""
    lifecycle.resume(database, run_of(left, "paused"), LOCAL_OWNER)
    lifecycle.resume(database, run_of(left, "paused_waiting"), LOCAL_OWNER)
    lifecycle.retry(database, run_of(left, "failed"), LOCAL_OWNER)
    waiting = {
        key: run["id"]
        for key, run in left["runs"].items()
        if run["state"] not in FINAL and key != "queued_unserved"
    } | {"failed": run_of(left, "failed")}

    # one thread a slot, as the runs began with
    start_worker(slots=max(2, usable_cores()), queues=("default", "night"))

    def look(job_id):
        with database.reading() as session:
            return queries.job(session, job_id)[0]

    def ended():
        return {key: look(job_id).state for key, job_id in waiting.items()}

    wait_until(lambda: set(ended().values()) <= FINAL, "every run ends", LONGEST_S, 0.5)
    expected = dict.fromkeys(waiting, "succeeded") | {"killed_cancelling": "cancelled"}
    assert ended() == expected
    assert look(run_of(left, "queued_unserved")).state == "queued"
    assert _what_was_resumed(database, left) >= {"paused", "failed", "drained", "killed"}
    machine = {
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    if machine == left["machine"]:  # elsewhere the same steps may end with other last bits
        for key, job_id in waiting.items():
            undisturbed = left["runs"][key]["undisturbed_weights_sha256"]
            assert undisturbed is None or look(job_id).weights_sha256 == undisturbed, key


def _what_was_resumed(database, left):
    """The runs whose last attempt began from a snapshot of the earlier release."""
    resumed = set()
    for key, run in left["runs"].items():
        with database.reading() as session:
            attempts = queries.attempts(session, run["id"]).items
        known = {snapshot["step"] for snapshot in run["snapshots"]}
        newer = [attempt for attempt, _ in attempts if attempt.number > len(run["attempts"])]
        if newer and newer[-1].first_step in known:
            resumed.add(key)
    return resumed
