"""Each catalog holds the texts that there are, all of them, and no others: `make catalog`."""

from __future__ import annotations

import re

import pytest

from core.languages.catalog import path_of
from core.languages.chosen import ENGLISH, LANGUAGES
from scripts import catalog
from scripts.catalog import Texts

OTHERS = sorted(LANGUAGES.keys() - {ENGLISH})


@pytest.fixture(scope="module")
def found() -> Texts:
    return catalog.texts()


@pytest.fixture(params=OTHERS)
def known(request):
    return catalog.read(path_of(request.param))


def test_nothing_is_missing(found, known):
    assert catalog.missing(found, known) == []


def test_nothing_is_there_that_no_page_shows(found, known):
    assert sorted(known.keys() - found.forms.keys()) == []
    assert {text: entry.form for text, entry in known.items()} == found.forms


def test_nothing_is_fuzzy(known):
    assert [text for text, entry in known.items() if entry.is_fuzzy] == []


def test_each_text_has_one_form_in_chinese():
    known = catalog.read(path_of("zh"))
    assert [text for text, entry in known.items() if len(entry.translation) != 1] == []


def test_the_places_of_a_text_are_those_of_the_english_one(found, known):
    wrong = [
        text
        for text, entry in known.items()
        for form in entry.translation
        if catalog.places(form, found.kind(text))
        != catalog.places(found.forms[text][-1], found.kind(text))
        and "(ordinal)" not in text
    ]
    assert wrong == []


def test_a_percent_sign_in_a_text_with_places_is_doubled(found):
    alone = re.compile(r"%(?!%|\(\w+\)s)")
    wrong = [
        text
        for text, form in found.forms.items()
        if found.kind(text) == "percent"
        and any(alone.search(each.replace("%%", "")) for each in form)
    ]
    assert wrong == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalog_is_as_the_script_writes_it(found, language):
    path = path_of(language)
    again = catalog.written(found, catalog.read(path), catalog.heading_of(path))
    assert path.read_text() == again, "run: make catalog"


def test_what_a_script_shows_is_marked(found):
    assert found.of_scripts
    assert found.of_scripts <= found.forms.keys()
