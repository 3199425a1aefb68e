"""The catalog of a language: a `.po` file beside this one, read when it is first asked for.

The texts in the source are English, and are the keys of every other catalog.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.catalog import Message
from babel.messages.pofile import read_po

SCRIPTS = "script"
"""What the comment of a text says that a script in the browser shows."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The texts of a language, by the English ones: a form each, or as many as it has plurals."""

    texts: Mapping[str, Sequence[str]]
    of_scripts: Mapping[str, Sequence[str]]
    """Those of them that the pages are given for their scripts."""

    def text(self, english: str) -> str:
        """A text, the English one where there is no other."""
        return next(iter(self.texts.get(english, ())), "") or english

    def plural(self, one: str, other: str, count: int) -> str:
        """The form for a count: Chinese has one for all."""
        if forms := self.texts.get(one):
            return forms[min(len(forms) - 1, int(count != 1))]
        return one if count == 1 else other


def path_of(language: str) -> Path:
    """The file of a language's catalog."""
    return Path(__file__).parent / f"{language}.po"


@cache
def catalog_of(language: str) -> Catalog:
    """The catalog of a language; an empty one for English."""
    path = path_of(language)
    if not path.exists():
        return Catalog({}, {})
    with path.open("rb") as file:
        entries = [each for each in read_po(file, locale=language) if each.id]
    return Catalog(
        texts={_key(each): _forms(each) for each in entries},
        of_scripts={_key(each): _forms(each) for each in entries if SCRIPTS in each.auto_comments},
    )


def _key(entry: Message) -> str:
    return entry.id if isinstance(entry.id, str) else entry.id[0]


def _forms(entry: Message) -> Sequence[str]:
    return [entry.string] if isinstance(entry.string, str) else list(entry.string or ())
