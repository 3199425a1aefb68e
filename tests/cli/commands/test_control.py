"""What is asked of runs at the terminal, of one and of several."""

from __future__ import annotations

import json

from core import queries
from core.jobs import claim, endings
from core.jobs.endings import Failure
from core.messages import plain


def fail(database, claimant):
    lease = claim.claim(database, claimant, 30)
    endings.end(database, lease, "failed", Failure("ValueError", plain("no luck"), ""))


def states(database):
    with database.reading() as session:
        found = queries.jobs(session, queries.Selection()).items
        return {job.id: job.state for job, _ in found}


def test_several_runs_are_cancelled_in_one_go_and_what_is_refused_is_said(
    trainyard, database, claimant
):
    for _ in range(3):
        trainyard("submit", "--preset", "quick")
    trainyard("cancel", "2")

    result = trainyard("cancel", "1", "2", "3")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "run 1 is cancelled, or asked to stop",
        "run 3 is cancelled, or asked to stop",
    ]
    assert "Run 2" in result.stderr
    assert set(states(database).values()) == {"cancelled"}


def test_several_runs_are_retried_in_one_go(trainyard, database, claimant):
    for _ in range(2):
        trainyard("submit", "--preset", "quick")
        fail(database, claimant)

    result = trainyard("retry", "1", "2", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"done": [1, 2], "refused": []}
    assert states(database) == {1: "queued", 2: "queued"}
    refused = trainyard("retry", "1", "2", "--from-scratch")
    assert refused.exit_code == 2
    assert "one by one" in refused.output


def test_several_runs_get_tags_and_lose_others_and_keep_the_rest(trainyard):
    for _ in range(2):
        trainyard("submit", "--preset", "quick", "--tag", "old", "--tag", "kept")

    result = trainyard("tag", "1", "2", "9", "--add", "thesis", "--remove", "old")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == ["run 1 is tagged", "run 2 is tagged"]
    assert "no run 9" in result.stderr
    for number in ("1", "2"):
        assert json.loads(trainyard("show", number, "--json").stdout)["tags"] == ["kept", "thesis"]
    assert trainyard("tag", "1").exit_code == 2


def test_the_attempts_of_a_run_say_where_each_ran_and_how_it_ended(trainyard, database, claimant):
    trainyard("submit", "--preset", "quick")
    assert "was not begun" in trainyard("attempts", "1").stdout
    fail(database, claimant)
    trainyard("retry", "1")
    claim.claim(database, claimant, 30)

    shown = trainyard("attempts", "1").stdout

    assert [line.split()[0] for line in shown.splitlines()] == ["ATTEMPT", "1", "2"]
    assert "no luck" in shown
    outcomes = [each["outcome"] for each in json.loads(trainyard("attempts", "1", "--json").stdout)]
    assert outcomes == ["failed", None]
