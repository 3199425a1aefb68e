"""A spec in words: what differs from the defaults, and the groups of a run's page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from core.languages import gettext
from core.spec import numbers, spec
from core.spec.fields import Field, Section, every_field, sections
from core.spec.presets import PRESETS
from core.spec.validation import KIND, WrongValue


def is_folded(section: Section) -> bool:
    """Whether a section is folded away: those that choose no kind refine what others set."""
    return bool(section.path) and not section.has_kinds


def lowercase_title(title: str) -> str:
    """A title within a sentence: `Mix images` is no name, `TF32` is."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def in_short(each: Field, typed: str) -> str:
    """A field and its value in a few words."""
    title = lowercase_title(each.title)
    if each.widget == "checkbox":
        return title if typed == "true" else gettext("no %(title)s", title=title)
    return gettext("%(title)s %(value)s", title=title, value=typed.strip() or gettext("none"))


def as_read(each: Field, typed: str) -> str:
    """What was typed into a field as it is read: yes and no for a box, the label of a choice."""
    return each.label(typed == "true" if each.widget == "checkbox" else each.value(typed))


def is_same(one: str, other: str) -> bool:
    """Whether two texts are one value: 0,10 is 0.1."""
    if one == other:
        return True
    try:
        return numbers.read(one, float) == numbers.read(other, float)
    except WrongValue:
        return one.replace(" ", "") == other.replace(" ", "")


def texts(values: spec.Spec) -> dict[str, str]:
    """What stands in each input for a spec. Variants that it did not choose show defaults."""
    shown = {
        section.kind_name: str(section.part(values).get(KIND, section.default_kind))
        for section in sections()
        if section.has_kinds
    }
    for section, variant, each in every_field():
        part = section.part(values)
        chosen = not section.has_kinds or shown[section.kind_name] == variant.kind
        known = chosen and each.key in part
        shown[each.name] = each.text(part[each.key]) if known else each.default
    return shown


@cache
def preset_texts() -> dict[str, dict[str, str]]:
    """What stands in each input for each preset: what the page needs to fill itself."""
    return {preset.name: texts(preset.spec.model_dump(mode="json")) for preset in PRESETS.values()}


Group = tuple[str, list[tuple[str, str]]]
"""A title, and labels with values."""


def kind_of(section: Section, values: spec.Spec) -> str:
    """The kind that a spec has of a section: CNN of networks."""
    part = section.part(values)
    variant = section.variant(part.get(KIND))
    return variant.title if variant else str(part.get(KIND, gettext("unknown")))


def title_of(section: Section, values: spec.Spec) -> str:
    """What a section of a spec is called, with its kind where it has one."""
    if not section.has_kinds:
        return section.title
    kind = kind_of(section, values)
    return gettext("%(section)s: %(kind)s", section=section.title, kind=kind)


def described(values: spec.Spec) -> tuple[list[Group], list[Group]]:
    """A spec for reading: what a reader looks for first, and the rest.

    The rest are the fields of folded sections that stand at their defaults.
    """
    first: list[Group] = []
    rest: list[Group] = []
    for section in sections():
        part = section.part(values)
        variant = section.variant(part.get(KIND))
        known = [each for each in variant.fields if each.key in part] if variant else []
        if not is_folded(section):
            first.append((title_of(section, values), [_row(each, part) for each in known]))
            continue
        plain = [each for each in known if is_same(each.text(part[each.key]), each.default)]
        for groups, shown in (
            (first, [each for each in known if each not in plain]),
            (rest, plain),
        ):
            if shown:
                groups.append((section.title, [_row(each, part) for each in shown]))
    return first, rest


def _row(each: Field, part: Mapping[str, Any]) -> tuple[str, str]:
    return each.title, each.label(part[each.key])
