"""What each person uses and may use, at the terminal."""

from __future__ import annotations


def test_limits_are_set_and_listed(trainyard):
    trainyard("submit", "--preset", "quick")

    own = trainyard("limits", "set", "owner", "--running", "2", "--hours", "1,5")
    common = trainyard("limits", "set", "--waiting", "1", "--storage", "2")

    assert own.stdout == "owner: 2 running, 1.5 device-hours in 7 days\n"
    assert common.stdout == "Everybody: 1 waiting, 2.0 GB of files\n"
    listed = trainyard("limits", "list").stdout
    assert "PERSON" in listed
    assert listed.splitlines()[-1] == "everybody: 1 waiting, 2.0 GB of files"


def test_a_submit_beyond_a_limit_says_the_number(trainyard):
    trainyard("limits", "set", "--waiting", "0")

    refused = trainyard("submit", "--preset", "quick")

    assert refused.exit_code == 4
    assert "owner may have 0 runs in the queue, and has 0 there" in refused.stderr


def test_preemption_is_allowed_for_a_queue(trainyard):
    allowed = trainyard("limits", "queue", "fast", "--preempt")

    assert allowed.stdout == "queue fast: runs of a higher priority preempt others\n"
    assert trainyard("limits", "list").stdout.splitlines()[-1] == allowed.stdout.strip()
    forbidden = trainyard("limits", "queue", "fast", "--no-preempt")
    assert forbidden.stdout == "queue fast: no run preempts another\n"
