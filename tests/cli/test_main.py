"""The terminal: the same words as the API, an exit status to rely on, JSON for programs."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from cli import main as program
from cli.commands import admin, stack
from cli.main import main
from core import queries
from core.database.clock import now
from core.database.models import Job, JobProgress
from core.datasets.builtin import DATASETS
from core.housekeeping import Housekeeping
from core.jobs import claim, endings, lifecycle, polling, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.jobs.endings import Failure
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.messages import plain
from core.spec.fields import sections, spec_fields
from core.spec.presets import resolve
from core.storage.blobs import Blob
from tests.cli.conftest import CONTENT, LOGGED
from tests.reported import epoch_end, evaluated, started
from tests.services import wait_until


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
        ("jobs", "--limit", "0"),
        ("show", "0"),
        ("show", "one"),
        ("submit", "--priority", "9999"),
        ("submit", "--queue", "a b"),
        ("submit", "--name", " "),
        ("submit", "--set", "optimizer.learning_rate=NaN"),
        ("submit", "--set", "optimizer.learning_rate=1e999"),
        ("submit", "--set", "epochs=1", "--set", "epochs.x=1"),
    ],
)
def test_bad_input_exits_with_2(trainyard, arguments):
    result = trainyard(*arguments)

    assert result.exit_code == 2
    assert result.stderr
    assert "Traceback" not in result.output


def test_the_words_for_wrong_fields_are_those_of_the_api(trainyard, client):
    spec = {"epochs": 0, "optimizer": {"kind": "adam", "momentum": 0.9}, "nonsense": 1}
    problem = client.post("/api/v1/jobs", json={"name": "x", "spec": spec}).get_json()

    result = trainyard(
        *("submit", "--set", "epochs=0", "--set", "optimizer.kind=adam"),
        *("--optimizer.momentum", "0.9", "--set", "nonsense=1"),
    )

    assert result.stderr.splitlines() == [
        f"{error['field']}: {error['message']}" for error in problem["errors"]
    ]


@pytest.mark.parametrize("path", spec_fields())
def test_each_field_of_the_spec_is_an_option_with_its_help(path):
    output = CliRunner().invoke(main, ["submit", "--help"], terminal_width=10_000).stdout

    assert f"--{path} VALUE" in output
    assert spec_fields()[path][0].help.split(".")[0].split()[0] in output


def test_the_help_of_submit_goes_section_by_section():
    output = CliRunner().invoke(main, ["submit", "--help"], terminal_width=100).stdout
    headings = [line[:-1] for line in output.splitlines() if re.fullmatch(r"\S.*:", line)]

    assert headings == ["Options", *(section.title for section in sections())]
    own, _, fields = output.partition("Training:")
    assert "--preset" in own
    assert "--help" in own
    assert "--epochs" in fields
    assert "--epochs" not in own
    assert max(map(len, output.splitlines())) <= 100


def test_a_field_that_may_be_empty_is_emptied_by_none(trainyard):
    job = json.loads(
        trainyard(
            *("submit", "--json", "--stopping.patience", "none"),
            *("--set", "data.subset=", "--regularization.mix", "none"),
        ).stdout
    )

    assert job["spec"]["stopping"]["patience"] is None
    assert job["spec"]["data"]["subset"] is None
    assert job["spec"]["regularization"]["mix"] == "none"


@pytest.mark.parametrize(
    "command",
    [
        "show",
        "logs",
        "cancel",
        "pause",
        "resume",
        "retry",
        "download",
        "follow",
        "advice",
        "evaluation",
    ],
)
def test_an_unknown_run_exits_with_1_and_a_sentence(trainyard, command):
    result = trainyard(command, "7")

    assert result.exit_code == 1
    assert "There is no job 7" in result.stderr
    assert result.stdout == ""


def test_a_run_is_named_by_its_preset_or_its_dataset(trainyard):
    for arguments in (["--name", "mine"], ["--preset", "quick"], ["--dataset", "digits"], []):
        trainyard("submit", *arguments)

    names = [job["name"] for job in json.loads(trainyard("jobs", "--json").stdout)["items"]]
    assert names == ["mnist run", "digits run", "quick", "mine"]


def test_runs_are_listed_by_state_and_number(trainyard):
    for _ in range(3):
        trainyard("submit")
    trainyard("cancel", "2")

    def listed(*arguments):
        return [
            j["id"] for j in json.loads(trainyard("jobs", "--json", *arguments).stdout)["items"]
        ]

    assert listed("--state", "queued") == [3, 1]
    assert listed("--state", "queued,cancelled", "--limit", "2") == [3, 2]


def test_without_any_run_the_list_says_how_to_start_one(trainyard):
    assert "trainyard submit" in trainyard("jobs").stdout


def test_a_log_is_written_as_json_for_programs_and_untouched(trainyard, finished):
    lines = json.loads(trainyard("logs", finished, "--json").stdout)

    assert [line["text"] for line in lines] == [LOGGED]


def test_a_log_is_searched(trainyard, finished):
    assert "good" in trainyard("logs", finished, "--find", "GOOD", "--level", "info").stdout
    assert trainyard("logs", finished, "--level", "error").stdout == ""
    assert trainyard("logs", finished, "--find", "nowhere").stdout == ""


def test_a_running_job_that_is_cancelled_is_asked_to_stop(trainyard, database, claimant):
    trainyard("submit", "--preset", "quick")
    claim.claim(database, claimant, 30)

    assert "run 1 is asked to stop" in trainyard("cancel", "1").stdout
    assert "cancelling" in trainyard("show", "1").stdout
    assert json.loads(trainyard("cancel", "1", "--json").stdout)["desired"] == "cancel"


def failed(trainyard, database, claimant, with_snapshot=True):
    trainyard("submit", "--preset", "quick")
    lease = claim.claim(database, claimant, 30)
    if with_snapshot:
        with database.writing() as session:
            snapshots.add(session, 1, 1, SnapshotRef(2, 950, Blob("a" * 64, 5)))
    endings.end(database, lease, "failed", Failure("ValueError", plain("no luck"), "a traceback"))


def test_a_queued_run_is_paused_and_resumes(trainyard):
    trainyard("submit", "--preset", "quick")

    assert trainyard("pause", "1").stdout == "run 1 is paused by owner\n"
    assert "paused by owner" in trainyard("show", "1").stdout
    assert "paused by owner" in trainyard("jobs", "--state", "paused").stdout
    assert trainyard("resume", "1").stdout == "run 1 is queued: no worker is live\n"
    assert "no worker is live" in trainyard("jobs").stdout


def test_a_running_run_is_asked_to_pause_and_may_be_resumed(trainyard, database, claimant):
    trainyard("submit", "--preset", "quick")
    claim.claim(database, claimant, 30)

    assert trainyard("pause", "1").stdout == "run 1 is asked to pause\n"
    assert "pausing" in trainyard("jobs").stdout
    assert "last heartbeat" in trainyard("show", "1").stdout
    assert trainyard("resume", "1").stdout == "run 1 resumes\n"


@pytest.mark.parametrize(
    ("flags", "snapshot"),
    [
        ((), {"epoch": 2, "batch": 0, "step": 950}),
        (("--from-scratch",), None),
        (("--from-nothing",), None),
    ],
)
def test_a_failed_run_is_retried(trainyard, database, claimant, flags, snapshot):
    failed(trainyard, database, claimant)
    assert "at a retry, from epoch 3" in trainyard("show", "1").stdout

    retried = trainyard("retry", "1", *flags, "--json")

    assert retried.exit_code == 0
    job = json.loads(retried.stdout)
    assert (job["state"], job["desired_by"], job["snapshot"]) == ("queued", "owner", snapshot)
    assert ("from epoch 3" in trainyard("show", "1").stdout) == (snapshot is not None)


def test_what_does_not_fit_the_state_is_a_sentence_and_exits_with_1(trainyard):
    trainyard("submit", "--preset", "quick")

    result = trainyard("retry", "1")

    assert result.exit_code == 1
    assert result.stderr == "Run 1 is queued: only a failed run can be retried.\n"
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
def test_the_answer_to_an_action_is_written_as_json(trainyard, command):
    trainyard("submit", "--preset", "quick")
    if command == "resume":
        trainyard("pause", "1")

    job = json.loads(trainyard(command, "1", "--json").stdout)

    assert job["desired_by"] == "owner"


def test_a_run_is_followed_over_a_pause(trainyard, database, claimant):
    trainyard("submit", "--preset", "quick")
    trainyard("pause", "1")
    finished_follow = []
    follower = threading.Thread(target=lambda: finished_follow.append(trainyard("follow", "1")))
    follower.start()
    trainyard("resume", "1")
    endings.succeed(database, claim.claim(database, claimant, 30), "c" * 64, [])
    follower.join()

    assert finished_follow[0].exit_code == 0, finished_follow[0].output
    assert "run 1 is succeeded" in finished_follow[0].stderr


def test_runs_are_listed_shown_and_written_as_json(trainyard, finished):
    assert "succeeded" in trainyard("jobs").output
    assert "90.00%" in trainyard("show", finished).output
    assert json.loads(trainyard("jobs", "--json").output)["items"][0]["name"] == "done"
    assert json.loads(trainyard("show", finished, "--json").output)["epochs"][0]["epoch"] == 1
    assert "ada" in trainyard("workers").output


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


def test_a_run_is_shown_with_what_was_measured_and_why_it_ended(trainyard, database, claimant):
    trainyard("submit", "--data.validation", "0.1")
    lease = claim.claim(database, claimant, 30)
    recorder = Recorder(database, lease, 30)
    recorder.record(started())
    recorder.record(epoch_end(validation_loss=0.3141, validation_accuracy=0.9271))
    recorder.flush()
    endings.succeed(database, lease, "c" * 64, [], plain("Ended early: time limit of 5 s reached."))

    output = trainyard("show", "1").stdout

    for words in ("limit of 5 s reached", "VALIDATION LOSS", "0.3141", "92.71%", "412 MB", "0.75"):
        assert words in output


def test_what_no_epoch_has_takes_no_column(trainyard, finished):
    assert "VALIDATION" not in trainyard("show", finished).stdout


def test_an_evaluation_is_shown_class_by_class_with_the_most_common_confusions(trainyard, finished):
    output = trainyard("evaluation", finished).stdout

    assert output.startswith("20 test images, accuracy 85.00%, loss 0.4321")
    assert "It is overconfident: sure" in output
    table = [line.split()[:4] for line in output.splitlines() if "%" in line and ":" not in line]
    assert table[1:] == [
        ["cat", "80.00%", "75.00%", "77.40%"],
        ["dog", "80.00%", "75.00%", "77.40%"],
        ["cat", "dog", "2", "20.00%"],
        ["dog", "cat", "1", "10.00%"],
    ]


def test_the_coach_is_asked_about_a_run(trainyard, finished):
    assert "No rule has anything to say" in trainyard("advice", finished).stdout
    assert json.loads(trainyard("advice", finished, "--json").stdout) == {"items": []}


def test_an_evaluation_is_written_as_json_and_whole(trainyard, finished):
    answer = json.loads(trainyard("evaluation", finished, "--json").stdout)

    assert answer == {"attempt": 1, **evaluated().content}


def test_a_run_that_was_not_evaluated_says_so(trainyard):
    trainyard("submit")

    result = trainyard("evaluation", "1")

    assert result.exit_code == 1
    assert "has no evaluation" in result.stderr


def test_the_datasets_are_listed_with_what_is_here(trainyard, tmp_path):
    (tmp_path / "terminal" / "data" / DATASETS["digits"].folder).mkdir(parents=True)

    datasets = json.loads(trainyard("data", "list", "--json").stdout)
    table = trainyard("data", "list").stdout

    assert [dataset["name"] for dataset in datasets] == list(DATASETS)
    assert [dataset["name"] for dataset in datasets if dataset["is_here"]] == ["digits"]
    assert "Fashion-MNIST" in table
    assert "60,000" in table


def test_control_characters_of_a_log_do_not_reach_the_terminal(trainyard, finished):
    output = trainyard("logs", finished).output

    assert "good" in output
    assert "\x1b" not in output


def test_a_run_is_followed_to_its_end(trainyard, finished):
    result = trainyard("follow", finished)

    assert result.exit_code == 0
    assert "run 1 is succeeded" in result.stderr
    assert "good" in result.stderr
    assert "\x1b" not in result.output


@pytest.mark.parametrize(("command", "shown"), [("follow", "no luck"), ("show", "no luck")])
def test_a_run_that_failed_is_shown_with_its_reason(trainyard, database, claimant, command, shown):
    trainyard("submit", "--preset", "quick")
    lease = claim.claim(database, claimant, 30)
    endings.end(
        database, lease, "failed", Failure("ValueError", plain("no luck"), "a\x1b traceback")
    )

    result = trainyard(command, "1")

    assert result.exit_code == (1 if command == "follow" else 0)
    assert shown in result.stdout
    assert "\x1b" not in result.output


def test_submit_and_follow_in_one_ends_with_the_run(trainyard, database, claimant):
    def work():
        wait_until(
            lambda: polling.poll(database, claimant).due_in_s is not None, "the run is queued"
        )
        endings.succeed(database, claim.claim(database, claimant, 30), "c" * 64, [])

    worker = threading.Thread(target=work)
    worker.start()
    result = trainyard("submit", "--preset", "quick", "--follow", "--json")
    worker.join()

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["state"] == "succeeded"


def test_a_download_is_whole_and_named(trainyard, finished, tmp_path):
    result = trainyard("download", finished, "-o", str(tmp_path))

    assert result.exit_code == 0, result.output
    assert (tmp_path / f"run-{finished}-mnist-cnn.pt").read_bytes() == CONTENT


def test_a_download_can_be_given_a_name_and_replaces_what_has_it(trainyard, finished, tmp_path):
    target = tmp_path / "mine.pt"
    target.write_text("old")

    assert trainyard("download", finished, "-o", str(target)).exit_code == 0

    assert target.read_bytes() == CONTENT
    assert hashlib.sha256(CONTENT).hexdigest() in trainyard(
        "download", finished, "-o", str(target)
    ).output.replace("\n", "")


def test_a_format_that_a_run_does_not_have_is_refused_with_those_it_has(trainyard, finished):
    result = trainyard("download", finished, "--format", "onnx")

    assert result.exit_code == 1
    assert "no onnx file; it has: pt" in result.stderr


@pytest.mark.parametrize("place", ["no/such/folder/m.pt", "a file/m.pt"])
def test_a_place_that_cannot_be_written_is_said_in_a_sentence(trainyard, finished, tmp_path, place):
    (tmp_path / "a file").write_text("")

    result = trainyard("download", finished, "-o", str(tmp_path / place))

    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_a_download_without_its_blob_is_refused_and_leaves_no_file(trainyard, finished, tmp_path):
    shutil.rmtree(tmp_path / "storage")
    target = tmp_path / "target"
    target.mkdir()

    result = trainyard("download", finished, "-o", str(target))

    assert result.exit_code == 1
    assert "no blob" in result.stderr
    assert list(target.iterdir()) == []


def test_a_damaged_download_is_refused_and_leaves_no_file(trainyard, finished, tmp_path):
    for blob in (tmp_path / "storage").rglob("*"):
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


def test_a_run_is_found_again_by_its_tag_and_other_filters(trainyard):
    made = trainyard("submit", "--preset", "quick", "--tag", "thesis", "--tag", "b", "--json")
    assert json.loads(made.stdout)["tags"] == ["thesis", "b"]
    trainyard("submit", "--preset", "quick", "--dataset", "digits")

    def ids(*options):
        return [
            job["id"] for job in json.loads(trainyard("jobs", *options, "--json").stdout)["items"]
        ]

    assert ids("--tag", "thesis") == [1]
    assert ids("--dataset", "digits") == [2]
    assert ids("--sort", "-test_accuracy") == []
    assert ids("--text", "QUICK", "--model", "cnn", "--preset", "quick", "--owner", "owner") == [
        2,
        1,
    ]
    assert "No run is like that" in trainyard("jobs", "--tag", "none").stdout
    assert trainyard("jobs", "--sort", "beauty").exit_code == 2


def test_the_commands_of_the_stack_are_those_that_are_looked_for_there():
    assert {command.name for command in stack.COMMANDS} == set(program._OF_STACK)


@pytest.mark.parametrize("name", ["up", "submit", "data", "doctor"])
def test_a_command_of_each_module_is_found(name):
    answer = CliRunner().invoke(main, [name, "--help"])

    assert answer.exit_code == 0
    assert answer.output.startswith(f"Usage: main {name}")


def test_a_command_that_does_not_exist_is_told():
    answer = CliRunner().invoke(main, ["upp"])

    assert answer.exit_code == 2
    assert "No such command 'upp'" in answer.output


def test_up_starts_the_dashboard_before_it_imports_what_is_slow():
    code = (
        "import sys\n"
        "from cli.main import main\n"
        "main(['up', '--help'], standalone_mode=False)\n"
        "print(sorted({'sqlalchemy', 'celery', 'redis', 'httpx', 'torch'} & set(sys.modules)))"
    )

    printed = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert printed.splitlines()[-1] == "[]"


def test_house_can_be_kept_apart_from_web_and_workers(settings, database, claimant, monkeypatch):
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(admin.logs, "configure", lambda _format: None)
    monkeypatch.setattr(Housekeeping, "may_reap", True)  # it has watched for a lease
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    job = lifecycle.submit(database, LOCAL_OWNER, name="x", spec=resolve("quick", {}))
    claim.claim(database, claimant, 30)
    lifecycle.cancel(database, job.id, LOCAL_OWNER)
    with database.writing() as session:
        session.execute(update(JobProgress).values(lease_expires_at=now(-1)))

    result = CliRunner().invoke(main, ["db", "maintain", "--once"])

    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert result.exit_code == 0, result.output
    with database.reading() as session:
        assert session.get_one(Job, job.id).state == "cancelled"


def test_numbers_are_read_as_the_form_reads_them(trainyard):
    taken = trainyard(
        "submit", "--optimizer.learning_rate", "0,05", "--set", "epochs=2,0", "--json"
    )
    spec = json.loads(taken.stdout)["spec"]
    assert (spec["optimizer"]["learning_rate"], spec["epochs"]) == (0.05, 2)

    for arguments, words in (
        (("submit", "--epochs", "1.000"), "can be read in two ways"),
        (("submit", "--set", "epochs=1_0"), "without underscores"),
        (("submit", "--priority", "1_0"), "without underscores"),
        (("jobs", "--limit", "1_0"), "without underscores"),
        (("show", "1_0"), "without underscores"),
        (("clean", "--logs", "1.000,0"), "can be read in two ways"),
    ):
        refused = trainyard(*arguments)
        assert refused.exit_code != 0
        assert words in refused.output
