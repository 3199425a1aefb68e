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
