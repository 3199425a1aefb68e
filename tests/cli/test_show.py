"""Words for the terminal."""

import io

import pytest
from rich.console import Console

from cli import show


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 0 s"),
        (61, "1 min 1 s"),
        (3600, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (None, ""),
    ],
)
def test_durations_are_told_in_words(seconds, words):
    assert show.duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_500_000, "1.5 MB"), (2 * 10**9, "2.0 GB")],
)
def test_sizes_are_told_in_words(count, words):
    assert show.size(count) == words


@pytest.mark.parametrize("character", ["\x1b", "\x07", "\r", "\x00", "\x9b", "\x7f"])
def test_a_control_character_is_replaced(character):
    assert show.printable(f"a{character}b") == "a\ufffdb"


def test_text_and_its_lines_are_left_alone():
    assert show.printable("naïve\t\N{SNOWMAN}\n") == "naïve\t\N{SNOWMAN}\n"


def test_what_comes_from_runs_is_no_markup():
    written = io.StringIO()
    Console(file=written, width=80).print(show.table(["NAME"], [["[red]x[/red]\n"]]))

    assert "[red]x[/red]" in written.getvalue()


@pytest.mark.parametrize(
    ("state", "desired", "word"),
    [
        ("running", "run", "running"),
        ("running", "cancel", "cancelling"),
        ("cancelled", "cancel", "cancelled"),
        ("running", "pause", "pausing"),
        ("paused", "pause", "paused"),
        ("failed", "pause", "failed"),
    ],
)
def test_a_wish_is_shown_while_a_run_goes_on(state, desired, word):
    assert show.state({"state": state, "desired": desired}).plain == word


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, ""),
        ({"queue_status": {"reason": "paused by ada"}}, "paused by ada"),
        ({"queue_status": {"reason": "paused"}}, ""),
        ({"last_heartbeat_at": "2999-01-01T00:00:00Z"}, "last heard 0 s ago"),
        ({"queue_status": None, "last_heartbeat_at": None}, ""),
    ],
)
def test_what_a_run_does_now_is_told_in_words(more, words):
    assert show.now({"state": "paused"} | more) == words


def test_a_moment_in_the_future_is_now():
    assert show.ago("2999-01-01T00:00:00Z") == "0 s ago"


def test_the_commonest_confusions_come_first_and_only_so_many():
    content = {
        "classes": [{"name": name} for name in "abc"],
        "confusion": [[5, 1, 0], [0, 9, 3], [2, 2, 6]],
    }

    assert show.confusions(content, most=3) == [
        ("b", "c", 3, 0.25),
        ("c", "a", 2, 0.2),
        ("c", "b", 2, 0.2),
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"text": "fine", "level": "info"}, "fine"),
        ({"text": "careful\x1b", "level": "warning"}, "warning: careful\ufffd"),
        ({"text": "broken", "level": "error"}, "error: broken"),
        ({"text": "of a later version", "level": "odd"}, "odd: of a later version"),
        ({"text": "without a level"}, "without a level"),
    ],
)
def test_a_line_that_warns_says_so(line, told):
    assert show.log_line(line).plain == told
