"""The form of a new run: what stands in its inputs, and what a post of it asks for.

Nothing here names a hyperparameter: the fields are those of `core.spec.fields`, so a field or a
variant that is added to the spec appears here by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from werkzeug.datastructures import MultiDict

from core.errors import FieldError, InvalidInput
from core.spec import fields, spec
from core.spec.fields import KIND, Field, Section, every_field, sections
from core.spec.presets import PRESETS
from webui import networks
from webui.submission import Submission

SHORT_CHOICES = 28
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
    def fields(self) -> list[Field]:
        """Every field of the spec."""
        return [each for _, _, each in every_field()]

    @property
    def run_fields(self) -> tuple[Field, ...]:
        return run_fields()

    def is_short(self, choices: Field) -> bool:
        return is_short(choices)

    def is_folded(self, section: Section) -> bool:
        """Whether a section is folded away."""
        return is_folded(section)

    def is_open(self, inputs: Sequence[Field]) -> bool:
        """Whether a folded section shows itself: something is wrong there, or was changed."""
        base = preset_texts().get(self.preset)
        return any(
            self.errors(each.name)
            or (
                base is not None and not _same(self._typed(each), base.get(each.name, each.default))
            )
            for each in inputs
        )

    def told(self, inputs: Sequence[Field]) -> list[str]:
        """What is set in a folded section, in the few words that its summary has room for."""
        return [
            _in_short(each, self._typed(each))
            for each in inputs
            if not _same(self._typed(each), each.default)
        ]

    def _typed(self, each: Field) -> str:
        return self.values.get(each.name, each.default)

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


def is_folded(section: Section) -> bool:
    """Whether a section is folded away: those that choose no kind refine what others set."""
    return bool(section.path) and not section.has_kinds


def is_short(choices: Field) -> bool:
    """Whether all the choices of a field fit side by side."""
    return sum(len(choice.label) + 3 for choice in choices.choices) <= SHORT_CHOICES


def inside(title: str) -> str:
    """A title within a sentence: `Mix images` is no name, `TF32` is."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _in_short(each: Field, typed: str) -> str:
    """A field and its value in a few words."""
    if each.widget == "checkbox":
        return inside(each.title) if typed == "true" else f"no {inside(each.title)}"
    return f"{inside(each.title)} {typed.strip() or 'none'}"


def _same(one: str, other: str) -> bool:
    """Whether two texts are one value: 0.10 is 0.1."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one.replace(" ", "") == other.replace(" ", "")


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
        if section.has_kinds
    }
    for section, variant, each in every_field():
        part = section.part(values)
        chosen = not section.has_kinds or shown[section.kind_name] == variant.kind
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


def as_typed(post: Post) -> Form:
    """The form as it was typed, unchecked."""
    return refused(post, ())


def network_of(form: Form) -> dict[str, Any]:
    """The part of a spec that decides what the network looks like."""
    asked = _read_spec(MultiDict(form.values))
    return {name: asked[name] for name in networks.PARTS if name in asked}


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
        kind = post.get(section.kind_name) if section.has_kinds else None
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
        if section.has_kinds and section.kind_name in post
    }
    inputs = [*run_fields(), *(each for _, _, each in every_field())]
    values |= {each.name: text for each in inputs if (text := _typed(each, post)) is not None}
    return Form(
        values=values,
        preset=post.get("preset", ""),
        mistakes=[_place(error, post) for error in errors],
    )


def placed(form: Form, errors: Sequence[FieldError]) -> list[Mistake]:
    """What is wrong with a form as it stands, by its inputs."""
    post = MultiDict(form.values)
    return [_place(error, post) for error in errors]


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
        if section.has_kinds:
            inputs[section.path] = inputs[section.kind_name] = (section.kind_name, section.title)
        variant = section.variant(post.get(section.kind_name) if section.has_kinds else None)
        for each in variant.fields if variant else ():
            inputs[each.path] = (each.name, each.title)
    return inputs


# showing the spec of a run


Group = tuple[str, list[tuple[str, str]]]
"""A title, and labels with values."""


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
            kind = variant.title if variant else str(part.get(KIND, "unknown"))
            title = f"{section.title}: {kind}" if section.has_kinds else section.title
            first.append((title, [_row(each, part) for each in known]))
            continue
        plain = [each for each in known if _same(each.text(part[each.key]), each.default)]
        for groups, shown in (
            (first, [each for each in known if each not in plain]),
            (rest, plain),
        ):
            if shown:
                groups.append((section.title, [_row(each, part) for each in shown]))
    return first, rest


def _row(each: Field, part: Mapping[str, Any]) -> tuple[str, str]:
    return each.title, each.told(part[each.key])
