"""The terminal: the same words as the API, an exit status to rely on, JSON for programs."""

from __future__ import annotations

import json
import os

import pytest

from cli import endpoint, options, show
from core import artifacts, queries, queue
from core.journal import Journal
from core.queue import Publication
from core.reports import EpochEnd, Line, Started
from core.settings import Settings

CONTENT = b"checkpoint" * 1000


@pytest.fixture
def finished(trainyard, database, claimant, settings, tmp_path):
    """The id of a run that has ended well."""
    trainyard("submit", "--preset", "quick", "--name", "done")
    lease = queue.claim(database, claimant, 30)
    journal = Journal(database, lease, 30)
    journal.record(Started(device="CPU", threads=1, epochs=1, batches=10))
    journal.record(Line(text="good\x1b[31m red"))
    journal.record(
        EpochEnd(
            epoch=1,
            step=10,
            batch=10,
            train_loss=0.5,
            test_loss=0.4,
            test_accuracy=0.9,
            learning_rate=0.1,
            seconds=1,
            images_per_s=9,
            eta_s=0,
        )
    )
    journal.flush()
    (tmp_path / "m.pt").write_bytes(CONTENT)
    blob = artifacts.connect(settings.artifacts_address).put(tmp_path / "m.pt")
    queue.succeed(database, lease, "c" * 64, [Publication(blob, 1, "pt", "mnist-cnn.pt")])
    return str(lease.job_id)


def test_a_submit_takes_a_preset_single_fields_and_options(trainyard, database):
    result = trainyard(
        *("submit", "--preset", "quick", "--set", "optimizer.learning_rate=0.05"),
        *("--epochs", "3", "--model.channels", "4,8", "--set", "model.batch_norm=false", "--json"),
    )

    assert result.exit_code == 0, result.output
    job = json.loads(result.stdout)
    assert job["name"] == "quick"
    assert job["spec"]["optimizer"]["learning_rate"] == 0.05
    assert (job["spec"]["epochs"], job["spec"]["model"]["channels"]) == (3, [4, 8])
    assert job["spec"]["model"]["batch_norm"] is False


def test_wrong_fields_exit_with_2_and_the_words_of_the_api(trainyard, database):
    result = trainyard("submit", "--set", "epochs=0", "--optimizer.momentum", "2")

    assert result.exit_code == 2
    assert "epochs: must be at least 1" in result.stderr
    assert "optimizer.momentum: must be less than 1" in result.stderr
    with database.reading() as session:
        assert queries.jobs(session).items == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("submit", "--preset", "nope"),
        ("submit", "--set", "nonsense"),
        ("submit", "--set", "nonsense=1"),
        ("data", "fetch", "nope"),
        ("jobs", "--state", "asleep"),
    ],
)
def test_bad_input_exits_with_2(trainyard, arguments):
    assert trainyard(*arguments).exit_code == 2


def test_an_unknown_run_exits_with_1_and_a_sentence(trainyard):
    result = trainyard("show", "7")

    assert result.exit_code == 1
    assert "There is no job 7" in result.stderr


def test_runs_are_listed_shown_and_told_as_json(trainyard, finished):
    assert "succeeded" in trainyard("jobs").output
    assert "90.00%" in trainyard("show", finished).output
    assert json.loads(trainyard("jobs", "--json").output)["items"][0]["name"] == "done"
    assert json.loads(trainyard("show", finished, "--json").output)["epochs"][0]["epoch"] == 1
    assert "ada" in trainyard("workers").output


def test_control_characters_of_a_log_do_not_reach_the_terminal(trainyard, finished):
    output = trainyard("logs", finished).output

    assert "good" in output
    assert "\x1b" not in output


def test_a_run_is_followed_to_its_end(trainyard, finished):
    result = trainyard("follow", finished)

    assert result.exit_code == 0
    assert "run 1 is succeeded" in result.stderr


def test_a_download_is_whole_and_named(trainyard, finished, tmp_path):
    result = trainyard("download", finished, "-o", str(tmp_path))

    assert result.exit_code == 0, result.output
    assert (tmp_path / f"run-{finished}-mnist-cnn.pt").read_bytes() == CONTENT


def test_a_damaged_download_is_refused_and_leaves_no_file(trainyard, finished, settings, tmp_path):
    for blob in (settings.home.parent / "artifacts").rglob("*"):
        if blob.is_file():
            blob.write_bytes(b"x" * len(CONTENT))
    target = tmp_path / "target"
    target.mkdir()

    result = trainyard("download", finished, "-o", str(target))

    assert result.exit_code == 1
    assert "damaged" in result.stderr
    assert list(target.iterdir()) == []


def test_a_run_without_a_file_says_so(trainyard):
    trainyard("submit", "--preset", "quick")

    result = trainyard("download", "1")

    assert result.exit_code == 1
    assert "is queued and has no file" in result.stderr


def test_a_cancel_says_what_became_of_it(trainyard):
    trainyard("submit", "--preset", "quick")

    assert "run 1 is cancelled" in trainyard("cancel", "1").output
    assert trainyard("cancel", "1").exit_code == 0


def test_without_a_server_there_is_a_sentence_that_says_what_to_do(trainyard, monkeypatch):
    monkeypatch.setenv("TRAINYARD_URL", "http://127.0.0.1:1")

    result = trainyard("jobs")

    assert result.exit_code == 1
    assert "trainyard up" in result.stderr


def test_a_bad_setting_is_refused_by_name(trainyard, monkeypatch):
    monkeypatch.setenv("TRAINYARD_PORT", "many")

    result = trainyard("jobs")

    assert result.exit_code == 1
    assert "TRAINYARD_PORT" in result.stderr


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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("true", True),
        ("yes", True),
        ("8,16", [8, 16]),
        ("[8]", [8]),
        ("adam", "adam"),
    ],
)
def test_a_value_is_read_as_a_person_means_it(text, value):
    assert options.read_value(text) == value


def test_the_running_stack_of_a_home_is_found_and_a_dead_one_is_not(tmp_path):
    settings = Settings(home=tmp_path)
    endpoint.write(tmp_path, "http://127.0.0.1:9", os.getpid())
    assert endpoint.find_url(settings) == "http://127.0.0.1:9"

    file = tmp_path / endpoint.FILE
    file.write_text(file.read_text().replace(str(os.getpid()), "999999999"))
    assert endpoint.find_running(tmp_path) is None
    file.write_text("not JSON")
    assert endpoint.find_running(tmp_path) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (61, "1 min 1 s"), (7500, "2 h 5 min"), (None, "")]
)
def test_durations_are_told_in_words(seconds, words):
    assert show.duration(seconds) == words
