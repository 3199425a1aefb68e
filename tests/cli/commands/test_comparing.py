"""Runs beside each other, from the terminal."""

from __future__ import annotations

import json

from cli.comparison import Compared, verdict


def test_only_what_differs_is_shown_with_results_beside_each_other(trainyard, finished):
    trainyard("submit", "--preset", "quick", "--name", "other", "--optimizer.momentum", "0.5")

    shown = trainyard("compare", finished, "2")

    assert shown.exit_code == 0, shown.output
    rows = {line.split("  ")[0]: line for line in shown.stdout.splitlines()}
    assert "0.9" in rows["optimizer.momentum"]
    assert "0.5" in rows["optimizer.momentum"]
    assert "90.00%" in rows["test accuracy"]
    assert "% to " in rows["95% interval"]
    assert "optimizer.learning_rate" not in rows
    assert "/compare?run=1,2" in shown.stdout
    assert json.loads(trainyard("compare", finished, "2", "--json").stdout)["intervals"][1] is None


def test_one_run_is_no_comparison_and_an_unknown_one_is_named(trainyard, finished):
    assert trainyard("compare", finished, finished).exit_code == 2
    unknown = trainyard("compare", finished, "99")
    assert (unknown.exit_code, "no run 99" in unknown.stderr) == (1, True)


def test_intervals_that_overlap_are_said_to_be_noise():
    def run(number, accuracy, count=1000):
        job = {"id": number, "spec": {"dataset": "digits"}}
        return Compared(job, {"accuracy": accuracy, "count": count})

    assert "overlap" in verdict([run(1, 0.9), run(2, 0.91)])
    assert "best, run 2 and the next, run 1, lie apart" in verdict([run(1, 0.8), run(2, 0.91)])
    assert verdict([run(1, 0.9), run(2, 0.91, count=500)]) == ""
    assert verdict([run(1, 0.9)]) == ""
