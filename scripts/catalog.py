"""Collects every text that people read on the pages, and brings the catalogs up to date with it.

A catalog (`core/languages/*.po`) holds the texts that there are now, sorted: what is new stands in
it without a translation, and is printed; what no page shows any more is gone from it. So what is
left to do after a change is to fill the empty `msgstr` in.
"""

from __future__ import annotations

import argparse
import re
import string
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from babel.messages.extract import extract
from babel.messages.pofile import normalize, read_po

from core import formats
from core.database.types import ArtifactKind
from core.jobs.actors import Action
from core.languages.catalog import SCRIPTS, path_of
from core.languages.chosen import ENGLISH, LANGUAGES
from core.messages.english import CATALOG
from core.protocol.pulse import Phase
from core.roles import Role, Scope
from core.spec.fields import plain_fields, sections
from core.spec.presets import PRESETS
from core.states import Outcome, State
from core.workers import Status
from webui.actions import Submission

ROOT = Path(__file__).parents[1]

KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
}
"""The functions whose arguments are texts. `gettext_noop` marks one that is translated later."""

Form = tuple[str, ...]
"""A text, or that for one and that for any other number."""


Kind = Literal["percent", "template", "plain"]
"""Of a text: whether its places are `%(name)s` or `{name}`, or whether it has none."""


@dataclass(slots=True)
class Texts:
    """Texts in English, by their first form."""

    forms: dict[str, Form] = field(default_factory=dict)
    of_scripts: set[str] = field(default_factory=set)
    templates: set[str] = field(default_factory=set)
    plain: set[str] = field(default_factory=set)

    def add(self, *form: str) -> None:
        """Add a text, once: with its plural where it has one somewhere."""
        if form[0] and len(form) >= len(self.forms.get(form[0], ())):
            self.forms[form[0]] = form

    def kind(self, text: str) -> Kind:
        """How the places of a text are written."""
        if text in self.templates:
            return "template"
        return "plain" if text in self.plain else "percent"


def texts() -> Texts:
    """Every text that people read on the pages."""
    found = Texts()
    for folder, suffix, method in (
        ("webui/templates", ".html", "jinja2.ext:babel_extract"),
        ("webui/static/js", ".js", "javascript"),
        ("core", ".py", "python"),
        ("webui", ".py", "python"),
    ):
        for path in sorted((ROOT / folder).rglob(f"*{suffix}")):
            for form in extracted(method, path):
                found.add(*form)
                if suffix == ".js":
                    found.of_scripts.add(form[0])
    for template in (*_messages(), *_bands()):
        found.add(*template)
        found.templates.update(template)
    for text in (*_words(), *_of_presets(), *_of_spec()):
        found.add(text)
        found.plain.add(text)
    return found


def extracted(method: str, path: Path) -> Iterator[Form]:
    """The texts of a file that are given to a function that translates."""
    options = {"silent": "false"} if method.startswith("jinja2") else {}
    with path.open("rb") as file:
        for _, message, _, _ in extract(method, file, KEYWORDS, options=options):
            yield (message,) if isinstance(message, str) else tuple(message)


def _messages() -> Iterator[Form]:
    """The templates of the message codes."""
    for template in CATALOG.values():
        if isinstance(template, str):
            yield (template,)
            continue
        yield (template.one, template.other)
        if template.none:
            yield (template.none,)


def _bands() -> Iterator[Form]:
    """The words around numbers."""
    for bands in formats.NUMBERS.values():
        texts = {text for band in bands for text in (band["text"], band["alone"])}
        yield from ((text,) for text in sorted(texts - {"{0}"}))


def _words() -> Iterator[str]:
    """Names of states and the like, as the code knows them; a page writes them by `word`."""
    for names in (State, Outcome, Phase, Status, Action, ArtifactKind, Role, Scope):
        yield from get_args(names)
    yield from ("cancelling", "pausing", "resting")


def _of_presets() -> Iterator[str]:
    for preset in PRESETS.values():
        yield from (preset.title, preset.reason, preset.result)


def _of_spec() -> Iterator[str]:
    """Labels and help of the fields of the form."""
    for each in plain_fields(Submission):
        yield from (each.title, each.help)
    for section in sections():
        yield from (section.title, section.help)
        for variant in section.variants:
            yield from (variant.title, variant.help)
            for each in variant.fields:
                yield from (each.title, each.help)


def places(text: str, kind: Kind) -> set[str]:
    """The places of a text of a kind, with how they are written."""
    if kind == "plain":
        return set()
    if kind == "template":
        parts = string.Formatter().parse(text)
        return {f"{{{name}:{spec}}}" for _, name, spec, _ in parts if name}
    return set(re.findall(r"%(?:\(\w+\)s|%)", text))


@dataclass(frozen=True, slots=True)
class Entry:
    """A text of a catalog."""

    form: Form
    translation: Sequence[str]
    """As many as the language has plurals, where the text has them; empty where it has none."""
    is_fuzzy: bool = False


def read(path: Path) -> dict[str, Entry]:
    """The texts of a catalog, by the English ones; those that are obsolete too."""
    with path.open("rb") as file:
        catalog = read_po(file)
    found = {}
    for message in (*catalog, *catalog.obsolete.values()):
        if message.id:
            form = (message.id,) if isinstance(message.id, str) else tuple(message.id)
            strings = (message.string,) if isinstance(message.string, str) else message.string
            given = tuple(strings or ())
            found[form[0]] = Entry(form, given if all(given) else (), message.fuzzy)
    return found


def written(found: Texts, known: dict[str, Entry], heading: str) -> str:
    """A catalog with the texts that there are, and the translations that are known."""
    return "\n\n".join([heading, *(_entry(form, found, known) for form in _sorted(found))]) + "\n"


def _sorted(found: Texts) -> list[Form]:
    return sorted(found.forms.values(), key=lambda form: (form[0].casefold(), form))


def _entry(form: Form, found: Texts, known: dict[str, Entry]) -> str:
    mark = [f"#. {SCRIPTS}"] if form[0] in found.of_scripts else []
    old = known.get(form[0])
    given = old.translation[0] if old and old.translation else ""
    lines = [f"msgid {normalize(form[0], width=100)}"]
    if len(form) == 1:
        return "\n".join([*mark, *lines, f"msgstr {normalize(given, width=100)}"])
    lines += [f"msgid_plural {normalize(form[1], width=100)}"]
    return "\n".join([*mark, *lines, f"msgstr[0] {normalize(given, width=100)}"])


def heading_of(path: Path) -> str:
    """What stands over the texts of a catalog: its glossary, and its header."""
    return path.read_text().partition("\n\nmsgid")[0].partition("\n\n#. ")[0]


def missing(found: Texts, known: dict[str, Entry]) -> list[str]:
    """The texts that a catalog has no translation of."""
    has = {text for text, entry in known.items() if entry.translation}
    return [form[0] for form in _sorted(found) if form[0] not in has]


def main() -> int:
    """Bring the catalogs up to date. Fails where something is not translated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--also-from", type=Path, help="a catalog with more translations")
    more = parser.parse_args().also_from
    found, left = texts(), 0
    for language in LANGUAGES.keys() - {ENGLISH}:
        path = path_of(language)
        known = (read(more) if more else {}) | {
            text: entry for text, entry in read(path).items() if entry.translation
        }
        path.write_text(written(found, known, heading_of(path)))
        for text in missing(found, known):
            print(f"{path.name}: {text!r} is not translated")
            left += 1
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
