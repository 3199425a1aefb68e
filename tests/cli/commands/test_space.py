"""Deleting, restoring, cleaning and the storage, at the terminal."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from cli.commands import arguments
from core import queries
from core.database.engine import Database
from core.database.models import Job
from core.jobs import claim


def ids(database, **chosen):
    with database.reading() as session:
        return [job.id for job, _ in queries.jobs(session, queries.Selection(**chosen)).items]


def test_runs_are_deleted_and_restored_in_one_go(trainyard, database):
    for _ in range(3):
        trainyard("submit", "--preset", "quick")

    deleted = trainyard("delete", "1", "3")

    assert deleted.exit_code == 0, deleted.output
    assert deleted.stdout.splitlines() == [
        "run 1 is deleted; trainyard restore 1 restores it",
        "run 3 is deleted; trainyard restore 3 restores it",
    ]
    assert ids(database) == [2]
    assert "deleted" in trainyard("jobs", "--deleted").stdout
    assert trainyard("restore", "1", "3").stdout.splitlines() == [
        "run 1 is restored",
        "run 3 is restored",
    ]
    assert ids(database) == [3, 2, 1]


def test_what_cannot_be_deleted_is_said_and_the_rest_is_deleted(trainyard, database, claimant):
    trainyard("submit", "--preset", "quick")
    claim.claim(database, claimant, 30)
    trainyard("submit", "--preset", "quick")

    result = trainyard("delete", "1", "2", "9", "--json")

    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["done"] == [2]
    assert [each["id"] for each in answer["refused"]] == [1, 9]
    assert "is running" in trainyard("delete", "1").stderr


def test_a_dry_run_says_what_would_go_and_a_clean_does_it(trainyard, database, finished):
    dry = trainyard("clean", "--artifacts", "0", "--logs", "0", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert dry.stdout.startswith("WOULD BE REMOVED")
    assert "artifacts" in dry.stdout

    done = trainyard("clean", "--artifacts", "0", "--logs", "0", "--json")
    assert {each["kind"]: each["runs"] for each in json.loads(done.stdout)["items"]} == {
        "artifacts": 1,
        "logs": 1,
    }
    with database.reading() as session:
        assert queries.artifacts(session, int(finished)).items == []
        assert queries.logs(session, int(finished)).items == []


def test_without_a_policy_there_is_nothing_to_clean(trainyard, finished):
    assert trainyard("clean").stdout == "There is nothing to remove.\n"


def test_deleted_runs_can_be_removed_for_good(trainyard, database, finished):
    trainyard("delete", finished)
    trainyard("clean", "--deleted")

    assert trainyard("show", finished).exit_code == 1
    assert "no run" in trainyard("restore", finished).stderr


def test_the_storage_is_shown_by_kind_and_by_run(trainyard, finished):
    shown = trainyard("storage")
    assert shown.exit_code == 0, shown.output
    assert "artifacts" in shown.stdout
    assert "done" in shown.stdout

    answer = json.loads(trainyard("storage", "--json").stdout)
    assert {"snapshots", "logs", "datasets", "scratch", "unnamed"} <= {
        each["kind"] for each in answer["kinds"]
    }


def test_a_backup_is_made_and_restored_by_its_folder_into_a_new_home(
    trainyard, settings, tmp_path, monkeypatch
):
    trainyard("submit", "--name", "kept")
    monkeypatch.setenv("TRAINYARD_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TRAINYARD_STORAGE_URL", settings.storage_url)
    folder = str(tmp_path / "backup")

    made = trainyard("backup", folder)
    again = json.loads(trainyard("backup", folder, "--json").output)
    refused = trainyard("restore", folder)
    monkeypatch.delenv("TRAINYARD_DATABASE_URL")
    monkeypatch.delenv("TRAINYARD_STORAGE_URL")
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "new"))
    restored = trainyard("restore", folder)

    assert f"trainyard restore {folder}" in made.output
    assert (made.exit_code, again["new_blobs"], again["lacking"]) == (0, 0, [])
    assert (refused.exit_code, "not empty" in refused.stderr) == (1, True)
    assert restored.output.startswith("Restored: ")
    address = f"sqlite:///{tmp_path / 'new' / 'trainyard.db'}"
    with Database(address) as database, database.reading() as session:
        assert session.scalars(select(Job.name)).all() == ["kept"]


@pytest.mark.parametrize("command", ["cancel", "delete"])
def test_on_a_terminal_it_asks_before_what_cannot_be_taken_back(trainyard, monkeypatch, command):
    trainyard("submit", "--preset", "quick")
    monkeypatch.setattr(arguments, "is_at_a_terminal", lambda: True)

    refused = trainyard(command, "1", input="n\n")
    assert refused.exit_code == 1
    assert "run 1?" in refused.stderr
    assert "queued" in trainyard("show", "1").stdout

    assert trainyard(command, "1", "--yes").exit_code == 0


@pytest.mark.parametrize(
    ("reads", "writes", "expected"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_a_program_is_never_asked(monkeypatch, reads, writes, expected):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: reads))
    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: writes))

    assert arguments.is_at_a_terminal() is expected
