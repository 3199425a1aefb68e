"""The timeline of a run: its attempts, and who did what."""

from __future__ import annotations

import re

from sqlalchemy import delete, update

from core.database.clock import now
from core.database.models import Job, JobEvent
from core.jobs import claim, endings
from core.jobs.claim import Claimant
from core.jobs.endings import Failure
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.messages import plain
from core.storage.blobs import Blob
from tests.webui.pages.conftest import get


def test_a_run_with_several_attempts_shows_each(client, database, running, worker_id):
    job_id, lease = running()
    endings.end(database, lease, "lost", Failure("lost", plain("not heard from")))
    claim.claim(database, Claimant(worker_id, ["default"], name="worker-one"), 600)
    page = get(client, f"/jobs/{job_id}")
    assert "not heard from" in page.one("li", id="attempt-1").text
    assert "Attempt 2 running" in page.one("li", id="attempt-2").text
    assert "attempt 2" in page.one("header", id="part-head").text


def test_a_timeline_shows_who_did_what_the_newest_first(client, database, running):
    job_id, lease = running()
    assert "running for" in get(client, f"/jobs/{job_id}").one("li", id="attempt-1").text
    endings.end(database, lease, "crashed", Failure("crash", plain("killed by SIGKILL")))
    page = get(client, f"/jobs/{job_id}")
    heading, *entries = re.split(" just now ?", page.one("li", id="attempt-1").text)
    assert re.fullmatch("Attempt 1 crashed took [0-9.]+ s Crashed: killed by SIGKILL", heading)
    assert entries == [
        "Started on CPU in fp32, 2 threads",
        "Claimed by worker-one as attempt 1",
        "",
    ]
    assert page.one("li", id="attempt-0").text == "Submitted by owner just now"
    reason = "Its last attempt crashed (killed by SIGKILL); try 2 of 3 in about"
    assert reason in page.text
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job_id).values(available_at=now(60)))
    assert "next try in" in get(client, "/").one("tr", id=f"job-{job_id}").text


def test_the_snapshots_of_an_attempt_are_one_line_of_the_timeline(client, database, running):
    job_id, lease = running()
    recorder = Recorder(database, lease, 600)
    for epoch in (1, 2, 3):
        recorder.secure(SnapshotRef(epoch, epoch * 938, Blob("a" * 64, 5)))
        recorder.flush()
    entries = get(client, f"/jobs/{job_id}").all("li", data_kind="snapshot")
    assert [each.text for each in entries] == [
        "3 snapshots, the last at step 2,814, 3 epochs done just now"
    ]


def test_an_attempt_of_an_earlier_release_shows_its_facts(client, database, running):
    job_id, lease = running()
    endings.end(database, lease, "crashed", Failure("crash", plain("killed by SIGKILL")))
    with database.writing() as session:
        session.execute(delete(JobEvent))
    shown = get(client, f"/jobs/{job_id}").one("li", id="attempt-1").text
    for text in ("crashed", "on worker-one", "started just now", "killed by SIGKILL"):
        assert text in shown
