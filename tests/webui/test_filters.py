"""What only a page writes: places in the line, sentences, and text that may hold anything."""

from __future__ import annotations

import pytest

from core.languages import speaking
from webui import filters


def status(position, eta_s, reason="", *, is_stuck=False):
    return {"position": position, "eta_s": eta_s, "reason": reason, "is_stuck": is_stuck}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (status(None, None, is_stuck=True), "no worker for it"),
        (status(4, 0.0), "about to start"),
        (status(1, 9.0), "next in line"),
        (status(2, None), "2nd in line"),
        (status(11, None), "11th in line"),
        (status(23, None), "23rd in line"),
        (status(None, 4.0), "next try in 4.0 s"),
        (status(None, None, "more than 9 runs ahead"), "more than 9 runs ahead"),
    ],
)
def test_a_place_in_the_line_is_said_in_few_words(status, text):
    assert filters.place(status) == text


def test_a_reason_becomes_a_sentence():
    assert filters.sentence("paused by ada") == "Paused by ada."


def test_names_in_backquotes_are_set_as_code_and_all_else_is_escaped():
    assert filters.with_code("`a<b` & `c`") == "<code>a&lt;b</code> &amp; <code>c</code>"


def test_control_characters_are_shown_as_signs():
    assert filters.visible("a\tb\n\x00\x7f\x9b") == "a\tb\n␀␡\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("name", ["", "\u200b", "\u3164", "\u2800\u00ad", "\u034f"])
def test_a_name_of_invisible_characters_can_be_clicked(name):
    assert filters.clickable(name) == filters.INVISIBLE


def test_a_name_that_is_seen_is_shown_as_it_is():
    assert filters.clickable("ünï שלום 🚂") == "ünï שלום 🚂"
    assert filters.clickable("\x1b") == "␛"


def test_the_seed_of_a_run_decides_which_names_are_translated():
    with speaking("zh"):
        of_seed_3 = [
            filters.run_name({"name": "wide (seed 3)", "spec": {"seed": seed}}) for seed in (3, 1)
        ]
        assert of_seed_3 == ["wide（种子 3）", "wide (seed 3)"]
        assert filters.run_name({"name": "wide (seed 0)", "spec": {}}) == "wide（种子 0）"
        assert filters.clickable("a tag (seed 3)") == "a tag (seed 3)"
