"""Text for the terminal."""

import io

import pytest
from rich.console import Console

from cli.render import text


@pytest.mark.parametrize(
    "character", ["\x1b", "\x07", "\r", "\x00", "\x9b", "\x7f", "\ud800", "\u202e"]
)
def test_a_character_that_no_terminal_should_get_is_replaced(character):
    assert text.one_line(f"a{character}b") == "a\ufffdb"


def test_text_is_left_alone_and_its_lines_are_joined():
    assert text.one_line("naïve\t\N{SNOWMAN}\nb") == "naïve\t\N{SNOWMAN} b"


def test_what_comes_from_runs_is_no_markup():
    written = io.StringIO()
    Console(file=written, width=80).print(text.table(["NAME"], [["[red]x[/red]\n"]]))

    assert "[red]x[/red]" in written.getvalue()


def test_a_moment_in_the_future_is_now():
    assert text.ago("2999-01-01T00:00:00Z") == "just now"


def test_a_value_that_is_not_there_is_an_empty_cell():
    assert text.written(str, None) == ""
    assert text.ago(None) == ""


@pytest.mark.parametrize(("count", "words"), [(0, "0 runs"), (1, "1 run"), (1200, "1,200 runs")])
def test_one_is_no_plural(count, words):
    assert text.counted(count, "run") == words
