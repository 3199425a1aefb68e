"""What acts on a screen is shown as a sign, and what nobody sees is known as such."""

import re
from pathlib import Path

import pytest

from core import characters

TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def test_what_turns_text_is_shown_as_a_sign():
    for each in TURNING:
        assert characters.turns_text(f"a{each}b")
        assert characters.visible(f"a{each}b") == characters.printable(f"a{each}b") == "a\ufffdb"


@pytest.mark.parametrize("text", ["שלום", "مرحبا 12", "a\u200fb", "👩\u200d🔬", "e\u0301", "한글"])
def test_words_of_any_script_stay_as_they_are(text):
    assert characters.visible(text) == characters.printable(text) == text
    assert not characters.turns_text(text)
    assert not characters.is_blank(text)


def test_a_terminal_keeps_tab_and_line_feed_alone():
    assert characters.printable("a\tb\nc\x1b[2J\x00\ud800") == "a\tb\nc\ufffd[2J\ufffd\ufffd"


@pytest.mark.parametrize(
    "text", ["", " ", "\u00a0", "\u200b\u2060", "\u115f", "\ufe0f", "\U000e0041"]
)
def test_what_nobody_sees_is_blank(text):
    assert characters.is_blank(text)


def test_the_browser_shows_the_same_signs():
    script = Path(__file__).parents[2] / "webui/static/js/lib/format.js"
    [pattern] = re.findall(r"text\.replace\(/(\[.*\])/gu", script.read_text())

    in_the_browser = re.compile(pattern)

    for each in map(chr, range(0x10000)):
        assert bool(in_the_browser.match(each)) == (characters.visible(each) != each), ascii(each)
