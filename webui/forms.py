"""The form of a new run: what stands in its inputs, and what a post of it asks for.

Nothing here names a hyperparameter: the fields are those of `core.fields`, so a field or a
variant that is added to the spec appears here by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from werkzeug.datastructures import MultiDict

from core import fields, spec
from core.errors import FieldError, InvalidInput
from core.fields import KIND, Field, Section, every_field, sections
from core.presets import PRESETS
from webui.submission import Submission

SHORT_CHOICES = 24
"""Characters, with some room for each choice."""

Post = MultiDict[str, str]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A message, and the input that it belongs to where there is one."""

    name: str
    title: str
    message: str


@dataclass(frozen=True, slots=True)
class Form:
    """The form as it is shown: what stands in each input, and what is wrong with it."""

    values: Mapping[str, str]
    preset: str = ""
    source: str = ""
    """Where the values come from, when it is not a preset: the name of an old run."""
    mistakes: Sequence[Mistake] = field(default=())

    @property
    def sections(self) -> tuple[Section, ...]:
        return sections()

    @property
    def run_fields(self) -> tuple[Field, ...]:
        return run_fields()

    def is_short(self, choices: Field) -> bool:
        return is_short(choices)

    def chosen(self, section: Section) -> str:
        """The kind that is chosen in a section."""
        return self.values.get(section.kind_name, section.default_kind)

    def errors(self, name: str) -> list[str]:
        """The messages that belong to an input."""
        return [mistake.message for mistake in self.mistakes if mistake.name == name]


@cache
def run_fields() -> tuple[Field, ...]:
    """What is asked of a run besides its spec."""
    return tuple(
        each for each in fields.plain_fields(Submission) if each.path not in ("preset", "spec")
    )


def is_short(choices: Field) -> bool:
    """Whether all the choices of a field fit side by side."""
    return sum(len(choice.label) + 3 for choice in choices.choices) <= SHORT_CHOICES


def _typed(each: Field, post: Post) -> str | None:
    """What was posted for a field, or None; the plain path is understood as well."""
    for name in (each.name, each.path):
        if name in post:
            return post.getlist(name)[-1]  # a ticked box comes after its hidden "false"
    return None


# from a spec to inputs, and back


def texts(values: spec.Spec) -> dict[str, str]:
    """What stands in each input for a spec. Variants that it did not choose show defaults."""
    shown = {
        section.kind_name: str(section.part(values).get(KIND, section.default_kind))
        for section in sections()
        if section.path
    }
    for section, variant, each in every_field():
        part = section.part(values)
        chosen = not section.path or shown[section.kind_name] == variant.kind
        known = chosen and each.key in part
        shown[each.name] = each.text(part[each.key]) if known else each.default
    return shown


def from_preset(name: str) -> Form:
    """The form filled from a preset.

    Raises:
        InvalidInput: there is no such preset.
    """
    if name not in PRESETS:
        raise InvalidInput.one("preset", f"there is no such preset; known: {', '.join(PRESETS)}")
    return Form(values=_run_defaults() | preset_texts()[name], preset=name)


def from_run(name: str, values: spec.Spec, priority: int, queue: str) -> Form:
    """The form filled from an old run, to be run again with changes."""
    run = {"name": name, "priority": str(priority), "queue": queue}
    return Form(values=_run_defaults() | run | texts(values), source=name)


@cache
def preset_texts() -> dict[str, dict[str, str]]:
    """What stands in each input for each preset: what the page needs to fill itself."""
    return {preset.name: texts(preset.spec.model_dump(mode="json")) for preset in PRESETS.values()}


def _run_defaults() -> dict[str, str]:
    return {each.name: each.default for each in run_fields()}


def submission(post: Post) -> dict[str, Any]:
    """What a post asks for, in the shape that `webui.submission.submit` checks."""
    values: dict[str, Any] = {"spec": _read_spec(post), "preset": post.get("preset") or None}
    for each in run_fields():
        typed = _typed(each, post)
        if typed is not None:
            values[each.name] = each.value(typed)
    return values


def _read_spec(post: Post) -> dict[str, Any]:
    """The fields of the chosen kinds; what was typed for other kinds is left out."""
    values: dict[str, Any] = {}
    for section in sections():
        kind = post.get(section.kind_name) if section.path else None
        if kind is not None:
            values[section.kind_name] = kind
        variant = section.variant(kind)
        for each in variant.fields if variant else ():
            typed = _typed(each, post)
            if typed is not None:
                values[each.path] = each.value(typed)
    return spec.nest(values)


def refused(post: Post, errors: Sequence[FieldError]) -> Form:
    """The form as it was typed, with each message at its input."""
    values = _run_defaults() | texts({})
    values |= {
        section.kind_name: post[section.kind_name]
        for section in sections()
        if section.path and section.kind_name in post
    }
    inputs = [*run_fields(), *(each for _, _, each in every_field())]
    values |= {each.name: text for each in inputs if (text := _typed(each, post)) is not None}
    return Form(
        values=values,
        preset=post.get("preset", ""),
        mistakes=[_place(error, post) for error in errors],
    )


def _place(error: FieldError, post: Post) -> Mistake:
    """Find the input of an error; `model.channels.2` belongs to `model.channels`."""
    inputs = _inputs(post)
    path = error.field
    while path:
        if path in inputs:
            name, title = inputs[path]
            return Mistake(name, title, error.message)
        path = path.rpartition(".")[0]
    return Mistake("", error.field, error.message)


def _inputs(post: Post) -> dict[str, tuple[str, str]]:
    """The name and title of the input of each path, given the kinds that were chosen."""
    inputs = {each.path: (each.name, each.title) for each in run_fields()}
    for section in sections():
        if section.path:
            inputs[section.path] = inputs[section.kind_name] = (section.kind_name, section.title)
        variant = section.variant(post.get(section.kind_name) if section.path else None)
        for each in variant.fields if variant else ():
            inputs[each.path] = (each.name, each.title)
    return inputs


# showing the spec of a run


def described(values: spec.Spec) -> list[tuple[str, list[tuple[str, str]]]]:
    """A spec as titled groups of labels and values, for reading."""
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for section in sections():
        part = section.part(values)
        variant = section.variant(part.get(KIND))
        rows = (
            []
            if variant is None
            else [_row(each, part) for each in variant.fields if each.key in part]
        )
        title = section.title
        if section.path:
            kind = variant.title if variant else str(part.get(KIND, "unknown"))
            title = f"{section.title}: {kind}"
        groups.append((title, rows))
    return groups


def _row(each: Field, part: Mapping[str, Any]) -> tuple[str, str]:
    value = part[each.key]
    if isinstance(value, bool):
        return each.title, "yes" if value else "no"
    label = next((c.label for c in each.choices if c.value == value), None)
    return each.title, label or each.text(value)
