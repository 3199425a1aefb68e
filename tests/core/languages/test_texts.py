"""Texts are shown in the chosen language, English where there is no other."""

from __future__ import annotations

import threading

import pytest

from core.languages import chosen, gettext, ngettext, speaking


def test_nobody_has_chosen_and_the_texts_are_english() -> None:
    assert chosen() == "en"
    assert gettext("Runs") == "Runs"
    assert gettext("%(share)s%% of %(count)s", share=3, count=4) == "3% of 4"


def test_a_text_is_in_the_chosen_language_until_that_is_left() -> None:
    with speaking("zh"):
        assert gettext("Runs") == "训练任务"
    assert gettext("Runs") == "Runs"


def test_a_text_that_no_catalog_has_stays_english() -> None:
    with speaking("zh"):
        assert gettext("Nobody translated %(this)s", this="it") == "Nobody translated it"


@pytest.mark.parametrize(("count", "text"), [(0, "0 cats"), (1, "1 cat"), (2, "2 cats")])
def test_a_count_has_its_form(count: int, text: str) -> None:
    assert ngettext("%(num)s cat", "%(num)s cats", count) == text


def test_a_thread_chooses_for_itself_alone() -> None:
    seen: list[str] = []
    with speaking("zh"):
        thread = threading.Thread(target=lambda: seen.append(gettext("Runs")))
        thread.start()
        thread.join()
    assert seen == ["Runs"]
