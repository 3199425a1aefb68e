"""The terminal: the same words as the API, an exit status to rely on, JSON for programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from cli import exits
from cli import main as program
from cli.commands import stack
from cli.main import main
from core import queries
from core.jobs import claim, endings, polling, snapshots
from core.jobs.endings import Failure
from core.jobs.snapshots import SnapshotRef
from core.messages import plain
from core.spec.fields import sections, spec_fields
from core.storage.blobs import Blob
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
    assert "There is no run 7" in result.stderr
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


def test_what_does_not_fit_the_state_is_a_sentence_and_exits_with_4(trainyard):
    trainyard("submit", "--preset", "quick")

    result = trainyard("retry", "1")

    assert result.exit_code == 4
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


def test_a_command_of_other_programs_leads_to_ours():
    for typed, ours in program._MEANT.items():
        answer = CliRunner().invoke(main, [typed])
        assert answer.exit_code == exits.USAGE, typed
        assert f"Did you mean: trainyard {ours}?" in answer.output
        assert main.get_command(None, ours) is not None
        assert main.get_command(None, typed) is None


def test_where_all_runs_are_one_owners_no_list_says_so(trainyard):
    trainyard("submit", "--name", "x")

    assert "OWNER" not in trainyard("jobs").output
