"""What the coach says, in the terminal."""

from __future__ import annotations

from cli.render.advice import NOTHING, advices

GIVEN = {
    "title": {"text": "Too slow"},
    "seen": {"text": "It creeps."},
    "action": {"text": "Raise it."},
    "why": {"text": "Each step\x1b[31m was safe."},
    "clone": "/jobs/new?from=7&optimizer.learning_rate=0.1",
}


def test_an_advice_says_what_is_seen_what_to_do_why_and_where_its_clone_is():
    lines = advices([GIVEN], "http://server").splitlines()

    assert lines[:3] == ["Too slow", "  It creeps.", "  Raise it."]
    assert lines[4] == (
        "  Clone with this change: http://server/jobs/new?from=7&optimizer.learning_rate=0.1"
    )


def test_nothing_in_it_moves_the_cursor():
    assert "\x1b" not in advices([GIVEN], "")


def test_without_a_clone_there_is_no_address():
    assert "Clone" not in advices([{**GIVEN, "clone": None}], "http://server")


def test_where_nothing_is_sure_that_is_said():
    assert advices([], "http://server") == NOTHING
