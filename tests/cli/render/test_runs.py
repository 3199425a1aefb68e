"""Runs for the terminal."""

import io

import pytest
from rich.console import Console

from cli.render import runs


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ({"text": "fine", "level": "info"}, "fine"),
        ({"text": "epoch 1", "level": "progress"}, "epoch 1"),
        ({"text": "careful\x1b", "level": "warning"}, "warning: careful\ufffd"),
        ({"text": "broken", "level": "error"}, "error: broken"),
        ({"text": "of a later version", "level": "odd"}, "odd: of a later version"),
        ({"text": "without a level"}, "without a level"),
    ],
)
def test_a_line_that_warns_says_so(line, text):
    assert runs.log_line(line).plain == text


def whole(**more):
    """A run that has ended, as the API sends it, in the terminal."""
    job = {
        **dict.fromkeys(
            ("stop_reason", "validation_accuracy", "worker", "queue_status", "snapshot")
        ),
        **dict.fromkeys(("started_at", "finished_at", "weights_sha256", "error")),
        "id": 1,
        "name": "x",
        "state": "succeeded",
        "desired": "run",
        "spec": {},
        "devices": 1,
        "attempt": 1,
        "created_at": "2026-11-25T20:00:00.000000Z",
        "progress": {"epoch": 10, "epochs": 10, "fraction": 1.0, "eta_s": None},
        "train_loss": 0.5,
        "test_accuracy": 0.9891,
    }
    written = io.StringIO()
    runs.whole(Console(file=written, width=120), job | more, (), ())
    return written.getvalue().splitlines()


def test_a_run_tells_the_epoch_that_it_published_and_its_last_one():
    last = {"epoch": 10, "test_accuracy": 0.9874}
    lines = whole(published_epoch=7, last_epoch=last, train_loss_over="epoch")

    assert "loss       0.5000 (epoch)" in lines
    assert "accuracy   98.91%" in lines
    assert "published  epoch 7, 98.91%; last: epoch 10, 98.74%" in lines


def test_a_run_of_an_earlier_server_is_shown_without_what_that_does_not_say():
    assert "loss       0.5000" in whole()
    assert not [line for line in whole(last_epoch=None) if line.startswith("published")]


def test_a_history_is_told_line_by_line_and_names_nobody_twice():
    written = io.StringIO()
    events = [
        {
            "id": 7,
            "at": "2026-11-25T20:00:00.000000Z",
            "kind": "paused",
            "actor": {"kind": "user", "name": "ada[b]"},
            "attempt": attempt,
            "payload": {},
            "text": "Paused by ada[b]\x1b",
        }
        for attempt in (0, 2)
    ]

    Console(file=written, width=120).print(runs.history(events))

    lines = [line.split() for line in written.getvalue().splitlines()]
    what = ["Paused", "by", "ada[b]\ufffd"]
    assert lines == [
        ["TIME", "EVENT", "ATTEMPT", "WHAT"],
        ["2026-11-25", "20:00:00", "UTC", "paused", *what],
        ["2026-11-25", "20:00:00", "UTC", "paused", "2", *what],
    ]


def test_the_spec_is_a_line_a_part_and_a_moment_has_no_microseconds():
    lines = whole(
        spec={
            "dataset": "mnist",
            "time_limit_s": None,
            "optimizer": {"kind": "sgd", "learning_rate": 0.1, "nesterov": True},
            "model": {"kind": "cnn", "channels": [8, 16]},
        }
    )

    assert "created    2026-11-25 20:00:00 UTC" in lines
    assert lines[-3:] == [
        "spec       dataset=mnist  time_limit_s=none",
        "           optimizer.kind=sgd  optimizer.learning_rate=0.1  optimizer.nesterov=true",
        "           model.kind=cnn  model.channels=8,16",
    ]
