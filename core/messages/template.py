"""Templates: text with named places, and how a parameter is written in its place.

`{eta_s:about}` writes a parameter by one of `_FORMATS`. A parameter may be a message. A template
with `Plural` forms is chosen by one of its parameters. Templates stand in the source in English,
and are the keys of the catalogs of other languages (`core/languages/`).
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import formats
from core.languages.texts import gettext, gettext_noop, unfilled, unfilled_plural

Params = Mapping[str, Any]

LONGEST_WHY = 100
"""The characters of a reason that is named in brackets within another."""


@dataclass(frozen=True, slots=True)
class Plural:
    """The forms of a template for one, for none and for any other number of something."""

    by: str
    one: str
    other: str
    none: str | None = None
    """As `other`, where it is left out."""

    def form(self, params: Params) -> str:
        """The template for a number, in the chosen language."""
        if params[self.by] == 0 and self.none is not None:
            return unfilled(self.none)
        return unfilled_plural(self.one, self.other, params[self.by])

    @property
    def forms(self) -> list[str]:
        """Every form."""
        return [form for form in (self.one, self.other, self.none) if form is not None]


Template = str | Plural


def fill(template: Template, params: Params) -> str:
    """The sentence of a template with its parameters, in the chosen language.

    Raises:
        LookupError: a parameter is missing.
        ArithmeticError, TypeError, ValueError: one cannot be written in its format.
    """
    form = template.form(params) if isinstance(template, Plural) else unfilled(template)
    return _FORMATTER.vformat(form, (), params)


def places(template: Template) -> set[str]:
    """The names of a template's parameters."""
    forms = template.forms if isinstance(template, Plural) else [template]
    named = {name for form in forms for _, name, _, _ in string.Formatter().parse(form) if name}
    return named | ({template.by} if isinstance(template, Plural) else set())


def _either(choices: Sequence[Any]) -> str:
    """Values of which one is to be chosen: `3, 5 or 7`."""
    *others, last = (str(choice) for choice in choices)
    return gettext("%(others)s or %(last)s", others=_listed(others), last=last) if others else last


def _listed(values: Sequence[Any]) -> str:
    return _joined(values, unfilled(gettext_noop("%(first)s, %(second)s")))


def _clauses(values: Sequence[Any]) -> str:
    return _joined(values, unfilled(gettext_noop("%(first)s; %(second)s")))


def _joined(values: Sequence[Any], pair: str) -> str:
    """Values one after the other, each two of them as a pair is written."""
    between = pair % {"first": "", "second": ""}
    return between.join(str(value) for value in values)


def _in_brackets(reason: Any) -> str:
    """The first line of a reason, shortened, in brackets; nothing where there is none."""
    lines = "" if reason is None else str(reason).strip()
    first = lines.partition("\n")[0].rstrip(".。")
    if not first:
        return ""
    why = first if len(first) <= LONGEST_WHY else f"{first[: LONGEST_WHY - 1]}…"
    return gettext(" (%(why)s)", why=why)


_FORMATS: dict[str, Callable[[Any], str]] = {
    "about": formats.about,
    "duration": formats.seconds,
    "number": formats.whole,
    "short": formats.short,
    "percent": formats.percent,
    "size": formats.size,
    "digits": formats.exact,
    "list": _listed,
    "either": _either,
    "clauses": _clauses,
    "in_brackets": _in_brackets,
    "optional": lambda value: "" if value is None else str(value),
    "device": formats.device,
    # a state, a phase, an action or a kind, by its name in the code
    "word": lambda value: unfilled(str(value)),
}


class _Formatter(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec in _FORMATS:
            return _FORMATS[format_spec](value)
        return str(super().format_field(value, format_spec))


_FORMATTER = _Formatter()
