"""Workers, tables and the housekeeping, from the terminal."""

from __future__ import annotations

import json

from click.testing import CliRunner
from sqlalchemy import update

from cli.commands import admin
from cli.main import main
from core.database.clock import now
from core.database.models import Job, JobProgress
from core.housekeeping import Housekeeping
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.messages import plain
from core.spec.presets import resolve


def test_a_worker_that_rests_says_why_and_is_told_to_try_again(trainyard, database, claimant):
    trainyard("submit", "--name", "x")
    lease = claim.claim(database, claimant, 30)
    no_data = endings.Failure("data_unavailable", plain("No network."), work="dataset:mnist")
    endings.end(database, lease, "worker_fault", no_data)

    listed = trainyard("workers").output

    assert "resting" in listed
    assert "ada rests from runs on mnist, tried 1 time, last in run 1: No network." in listed
    assert f"trainyard workers resume {claimant.worker_id}" in listed
    assert "ada may run" in trainyard("workers", "resume", str(claimant.worker_id)).output
    assert "resting" not in trainyard("workers").output


def test_a_worker_is_drained_by_its_name_and_the_queue_says_so(trainyard, claimant):
    assert "ada claims nothing new. It runs nothing." in trainyard("workers", "drain", "ada").output
    trainyard("submit")

    assert "drained" in trainyard("workers").output
    queue = trainyard("queue").output
    assert "worker ada, the only one that could run it, is drained by owner" in queue
    assert "0 runs ended since 1 d ago." in queue
    assert "ada may run" in trainyard("workers", "resume", "ada").output
    assert "There is no worker bo." in trainyard("workers", "drain", "bo").stderr


def test_doctor_finds_what_is_there_and_what_is_not(trainyard, monkeypatch):
    monkeypatch.setenv("TRAINYARD_TYPO", "1")

    checks = {check["subject"]: check for check in json.loads(trainyard("doctor", "--json").output)}

    assert checks["server"]["state"] == "good"
    assert "TRAINYARD_TYPO" in checks["settings"]["words"]
    assert checks["data mnist"]["state"] == "note"


def test_the_tables_are_made_by_a_command(trainyard, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "new"))

    assert trainyard("db", "upgrade").exit_code == 0
    assert (tmp_path / "new" / "trainyard.db").exists()


def test_house_can_be_kept_apart_from_web_and_workers(settings, database, claimant, monkeypatch):
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(admin.logs, "configure", lambda _format: None)
    monkeypatch.setattr(Housekeeping, "may_reap", True)  # it has watched for a lease
    job = lifecycle.submit(database, LOCAL_OWNER, name="x", spec=resolve("quick", {}))
    claim.claim(database, claimant, 30)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)
    with database.writing() as session:
        session.execute(update(JobProgress).values(lease_expires_at=now(-1)))

    result = CliRunner().invoke(main, ["db", "maintain", "--once"])

    assert result.exit_code == 0, result.output
    with database.reading() as session:
        assert session.get_one(Job, job.id).state == "cancelled"
