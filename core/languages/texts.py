"""Texts in the chosen language, with their places filled: `%(name)s`, and `%%` for a percent sign.

`gettext` and `ngettext` are the names by which Babel, and whoever reads the source, finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.languages.catalog import catalog_of
from core.languages.chosen import chosen


def gettext(text: str, **params: Any) -> str:
    """A text in the chosen language.

    Args:
        text: in English.
        params: what stands in its places.
    """
    return catalog_of(chosen()).text(text) % params


def ngettext(one: str, other: str, num: int, **params: Any) -> str:
    """A text for a count, in the chosen language; its place `num` is the count."""
    return catalog_of(chosen()).plural(one, other, num) % {"num": num, **params}


def texts_of_scripts() -> Mapping[str, Sequence[str]]:
    """What scripts in the browser show, in the chosen language, by the English texts."""
    return catalog_of(chosen()).of_scripts


def unfilled(text: str) -> str:
    """A text in the chosen language with its places as they are: a template fills them."""
    return catalog_of(chosen()).text(text)


def unfilled_plural(one: str, other: str, num: int) -> str:
    """The same for a count."""
    return catalog_of(chosen()).plural(one, other, num)
