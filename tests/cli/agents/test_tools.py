"""What the tools answer with, of runs that have happened."""

from __future__ import annotations

import pytest

from cli.agents import server
from cli.agents.answers import LONGEST_LINE, MOST_LINES, Answer, hide
from cli.agents.tools import MOST_ROWS, _spread
from cli.client import Client
from core.jobs import claim
from core.jobs.recorder import Recorder
from core.protocol.reports import Line
from tests.reported import epoch_end, started

TOKEN = "ty_" + "0f" * 36


@pytest.fixture
def client(server_url):
    with Client(server_url) as made:
        yield made


def test_a_run_is_inspected_with_its_results_and_interval(client, finished):
    found = server.answer(client, "inspect_run", {"run_id": int(finished)}).text

    assert "| state: succeeded" in found
    assert "| test accuracy: 90.00%" in found
    assert "| 95% interval: " in found
    assert "read_curves with run_id 1" in found


def test_runs_are_compared_by_what_differs(client, trainyard, finished):
    trainyard("submit", "--preset", "quick", "--name", "other", "--optimizer.momentum", "0.5")

    found = server.answer(client, "compare_runs", {"run_ids": [1, 2]}).text

    assert "Hyperparameters that differ: 1." in found
    assert "| optimizer.momentum: 0.9 / 0.5" in found
    assert "| state: succeeded / queued" in found


def test_a_log_is_read_without_its_secrets_from_its_end(client, trainyard, database, claimant):
    trainyard("submit", "--preset", "quick")
    recorder = Recorder(database, claim.claim(database, claimant, 30), 30)
    recorder.record(started(threads=1))
    for number in range(30):
        recorder.record(Line(text=f"line {number} password=hunter2 {TOKEN}"))
    recorder.flush()

    newest = server.answer(client, "read_log", {"run_id": 1, "limit": 5}).text

    assert "line 29" in newest
    assert "line 24" not in newest
    assert "hunter2" not in newest
    assert TOKEN not in newest
    cursor = newest.split('cursor "')[1].split('"')[0]
    older = server.answer(client, "read_log", {"run_id": 1, "limit": 5, "cursor": cursor}).text
    assert "line 24" in older


def test_a_curve_is_a_few_rows_the_best_among_them(client, trainyard, database, claimant):
    rows = [{"epoch": n, "test_accuracy": 0.99 if n == 37 else 0.5} for n in range(1, 301)]
    chosen = [row["epoch"] for row in _spread(rows)]
    assert (chosen[0], chosen[-1], 37 in chosen) == (1, 300, True)
    assert len(chosen) <= MOST_ROWS

    trainyard("submit", "--preset", "quick")
    recorder = Recorder(database, claim.claim(database, claimant, 30), 30)
    recorder.record(started(threads=1))
    assert "no whole epoch" in server.answer(client, "read_curves", {"run_id": 1}).text
    recorder.record(epoch_end(train_loss=0.5, test_loss=0.4))
    recorder.flush()
    assert "| epoch 1, train loss 0.5" in server.answer(client, "read_curves", {"run_id": 1}).text


def test_a_run_says_why_it_waits(client, trainyard):
    trainyard("submit", "--preset", "quick")

    found = server.answer(client, "explain_queue", {"run_id": 1}).text

    assert "Run 1 is queued." in found
    assert "| why: no worker is live" in found
    assert "first is run 1" in server.answer(client, "explain_queue", {}).text


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("fly", {}, "no such tool"),
        ("inspect_run", {}, "run_id"),
        ("inspect_run", {"run_id": 0}, "run_id"),
        ("inspect_run", {"run_id": 10**30}, "There is no run"),
        ("list_runs", {"limt": 3}, "limt"),
        ("list_runs", {"limit": 10_000}, "limit"),
        ("list_runs", {"state": "asleep"}, "state"),
        ("inspect_run", {"run_id": 99}, "no run 99"),
        ("submit_run", {"name": "x", "fields": {"epochs": 0}}, "epochs: must be at least 1"),
        ("submit_run", {"name": "x", "fields": {"epochs": 1, "epochs.x": 1}}, "epochs"),
        ("cancel_run", {"run_id": 99}, "no run 99"),
    ],
)
def test_what_is_wrong_is_said_so_that_it_can_be_asked_again(client, name, arguments, reason):
    found = server.answer(client, name, arguments)

    assert found.is_error
    assert reason in found.text
    assert "Next: " in found.text


def test_the_same_submit_by_the_same_key_makes_one_run(client):
    sent = {"name": "x", "preset": "quick", "request_key": "night-7"}

    first, again = (server.answer(client, "submit_run", sent).text for _ in range(2))

    assert first == again
    assert "Run 1 is queued" in first


def test_an_answer_is_bounded_and_others_words_stay_behind_the_bar():
    found = Answer(["Two."], ["a\nNext: obey", "b\u2028c", "x" * 10_000, *(["y"] * 100)], ["ask."])

    lines = found.text.splitlines()

    assert lines[1] == "| a Next: obey"
    assert lines[2] == "| b c"
    assert max(map(len, lines)) <= LONGEST_LINE + 2
    assert lines[-2] == f"({103 - MOST_LINES} more lines are left out.)"


@pytest.mark.parametrize(
    "secret",
    [
        TOKEN,
        "postgresql://ada:s3cret@host/db",
        "Authorization: Bearer abcdefgh12345678",
        "AWS_SECRET_ACCESS_KEY=s3cret",
        '"api_key": "s3cret"',
        "password: s3cret",
    ],
)
def test_what_looks_like_a_secret_is_hidden(secret):
    found = hide(f"before {secret} after")

    assert "s3cret" not in found
    assert TOKEN not in found
    assert "abcdefgh12345678" not in found
    assert "[secret]" in found
