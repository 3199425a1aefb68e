"""The form of a new run, made from the model of its spec.

Nothing here names a hyperparameter: labels, help, bounds, choices and defaults are read from
`core.spec.TrainingSpec` and `webui.submission.Submission`, so a field or a variant that is added
there appears here by itself.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from werkzeug.datastructures import MultiDict

from core import spec
from core.catalogue import DATASETS
from core.errors import FieldError, InvalidInput
from core.presets import PRESETS
from core.spec import TrainingSpec
from webui.submission import Submission

KIND = "kind"
"""The field that tells the variants of a section apart."""

SHORT_CHOICES = 24
"""Characters, with some room for each choice."""

Widget = Literal["text", "checkbox", "choice"]
Post = MultiDict[str, str]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values that a field may have."""

    value: Any
    label: str

    @property
    def text(self) -> str:
        """The value as it is posted."""
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Field:
    """One input of the form."""

    name: str
    """The input's own name. Where variants share a path, the kind is in it, so that without
    JavaScript each variant's value arrives under a name of its own."""
    path: str
    """The dotted path that the spec and its errors use."""
    title: str
    help: str
    hint: str
    widget: Widget
    kind: type
    default: str
    choices: tuple[Choice, ...] = ()
    many: bool = False
    optional: bool = False
    keyboard: str = "text"
    required: bool = False

    @property
    def is_short(self) -> bool:
        """Whether all the choices fit side by side."""
        return sum(len(choice.label) + 3 for choice in self.choices) <= SHORT_CHOICES

    @property
    def key(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    def text(self, value: Any) -> str:
        """A value as a person would type it."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list | tuple):
            return ", ".join(str(item) for item in value)
        return str(value)

    def typed(self, post: Post) -> str | None:
        """What was posted for this field, or None; the plain path is understood as well."""
        for name in (self.name, self.path):
            if name in post:
                return post.getlist(name)[-1]  # a ticked box comes after its hidden "false"
        return None

    def value(self, text: str) -> Any:
        """The text as a value. What cannot be read stays text: the model's error says why."""
        text = text.strip()
        if self.optional and not text:
            return None
        if self.many:
            return [self._single(part.strip()) for part in text.split(",") if part.strip()]
        if self.choices:
            return next((c.value for c in self.choices if c.text == text), text)
        return self._single(text)

    def _single(self, text: str) -> Any:
        if self.kind in (int, float):
            try:
                return self.kind(text)
            except ValueError:
                return text
        return text


@dataclass(frozen=True, slots=True)
class Variant:
    """The fields of one kind of a section."""

    kind: str
    title: str
    help: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form. The plain fields of the spec have a section without a path."""

    path: str
    title: str
    help: str
    default_kind: str
    variants: tuple[Variant, ...]

    @property
    def kind_name(self) -> str:
        """The name of the input that chooses the variant."""
        return f"{self.path}.{KIND}"

    def part(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """This section's part of a spec."""
        part = values.get(self.path, {}) if self.path else values
        return part if isinstance(part, Mapping) else {}

    def variant(self, kind: str | None) -> Variant | None:
        """The variant of a kind."""
        return next((v for v in self.variants if v.kind == (kind or self.default_kind)), None)


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

    def chosen(self, section: Section) -> str:
        """The kind that is chosen in a section."""
        return self.values.get(section.kind_name, section.default_kind)

    def errors(self, name: str) -> list[str]:
        """The messages that belong to an input."""
        return [mistake.message for mistake in self.mistakes if mistake.name == name]


# reading the model


@cache
def sections(model: type[BaseModel] = TrainingSpec) -> tuple[Section, ...]:
    """The parts of a spec: first its plain fields together, then each section."""
    plain: list[Field] = []
    parts: list[Section] = []
    for name, info in model.model_fields.items():
        variants = _variants(info.annotation)
        if variants:
            parts.append(_section(name, info, variants))
        else:
            plain.append(_field(name, name, info))
    first = Section("", "Training", "", "", (Variant("", "", "", tuple(plain)),))
    return (first, *parts) if plain else tuple(parts)


@cache
def run_fields() -> tuple[Field, ...]:
    """What is asked of a run besides its spec."""
    return tuple(
        _field(name, name, info)
        for name, info in Submission.model_fields.items()
        if name not in ("preset", "spec")
    )


def _variants(annotation: Any) -> tuple[type[BaseModel], ...]:
    """The models that a field may hold, or none where it is a plain field."""
    members = get_args(annotation) if _is_union(annotation) else (annotation,)
    models = [_bare(member) for member in members]
    if all(isinstance(member, type) and issubclass(member, BaseModel) for member in models):
        return tuple(models)
    return ()


def _section(path: str, info: FieldInfo, variants: Sequence[type[BaseModel]]) -> Section:
    default = info.get_default(call_default_factory=True, validated_data={})
    kinds = {model: _kind(model) for model in variants}
    return Section(
        path=path,
        title=info.title or _words(path),
        help=info.description or "",
        default_kind=kinds.get(type(default), kinds[variants[0]]),
        variants=tuple(_variant(path, model, alone=len(variants) == 1) for model in variants),
    )


def _variant(path: str, model: type[BaseModel], *, alone: bool) -> Variant:
    kind = _kind(model)
    prefix = path if alone else f"{path}.{kind}"
    return Variant(
        kind=kind,
        title=model.__name__ if model.__name__.lower() == kind else _words(kind),
        help=" ".join((model.__doc__ or "").split()),
        fields=tuple(
            _field(f"{prefix}.{name}", f"{path}.{name}", info)
            for name, info in model.model_fields.items()
            if name != KIND
        ),
    )


def _kind(model: type[BaseModel]) -> str:
    if KIND not in model.model_fields:
        return model.__name__.lower()
    return str(get_args(model.model_fields[KIND].annotation)[0])


def _field(name: str, path: str, info: FieldInfo) -> Field:
    annotation, optional = _without_none(info.annotation)
    item, item_bounds = _item(annotation)
    many = item is not None
    kind = item if many else annotation
    choices = _choices(annotation)
    bounds = _bounds(item_bounds if many else info.metadata)
    default = info.get_default(call_default_factory=True, validated_data={})
    made = Field(
        name=name,
        path=path,
        title=info.title or _words(path.rpartition(".")[2]),
        help=info.description or "",
        hint=f"comma-separated, each {bounds}" if many and bounds else bounds,
        widget="checkbox" if annotation is bool else "choice" if choices else "text",
        kind=kind if isinstance(kind, type) else str,
        default="",
        choices=choices,
        many=many,
        optional=optional,
        keyboard=_keyboard(kind, info.metadata, many=many),
        required=info.is_required(),
    )
    return _with_default(made, default)


def _with_default(made: Field, default: Any) -> Field:
    if default is PydanticUndefined:
        return made
    return replace(made, default=made.text(default))


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """An annotation without its None, and whether it had one."""
    if _is_union(annotation):
        members = [m for m in get_args(annotation) if m is not types.NoneType]
        if len(members) == 1:
            return _bare(members[0]), True
    return _bare(annotation), False


def _item(annotation: Any) -> tuple[Any, Sequence[Any]]:
    """The type and bounds of the members of a list, or None where it is no list."""
    if get_origin(annotation) not in (tuple, list):
        return None, ()
    member = get_args(annotation)[0]
    bounds = [b for m in getattr(member, "__metadata__", ()) for b in getattr(m, "metadata", (m,))]
    return _bare(member), bounds


def _choices(annotation: Any) -> tuple[Choice, ...]:
    if get_origin(annotation) is not Literal:
        return ()
    values = get_args(annotation)
    if set(values) == set(DATASETS):
        return tuple(Choice(value, DATASETS[value].title) for value in values)
    return tuple(Choice(value, str(value)) for value in values)


def _limits(metadata: Sequence[Any]) -> dict[str, Any]:
    return {
        name: getattr(bound, name)
        for bound in metadata
        for name in ("ge", "gt", "le", "lt")
        if getattr(bound, name, None) is not None
    }


def _bounds(metadata: Sequence[Any]) -> str:
    """The bounds of a number in words."""
    match _limits(metadata):
        case {"ge": low, "le": high}:
            return f"{low} to {high}"
        case {"gt": low, "le": high}:
            return f"above {low}, at most {high}"
        case {"ge": low, "lt": high}:
            return f"{low} to below {high}"
        case {"gt": low, "lt": high}:
            return f"between {low} and {high}"
        case {"ge": low}:
            return f"at least {low}"
        case {"gt": low}:
            return f"above {low}"
        case {"le": high}:
            return f"at most {high}"
        case {"lt": high}:
            return f"below {high}"
    return ""


def _keyboard(kind: Any, metadata: Sequence[Any], *, many: bool) -> str:
    """The keyboard that a phone should show; the numeric ones have no minus and no comma."""
    limits = _limits(metadata)
    negative = limits.get("ge", limits.get("gt", -1)) < 0
    if many or negative or kind not in (int, float):
        return "text"
    return "numeric" if kind is int else "decimal"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


# from a spec to inputs, and back


def _every_field() -> Iterator[tuple[Section, Variant, Field]]:
    for section in sections():
        for variant in section.variants:
            for each in variant.fields:
                yield section, variant, each


def texts(values: spec.Spec) -> dict[str, str]:
    """What stands in each input for a spec. Variants that it did not choose show defaults."""
    shown = {
        section.kind_name: str(section.part(values).get(KIND, section.default_kind))
        for section in sections()
        if section.path
    }
    for section, variant, each in _every_field():
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
        typed = each.typed(post)
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
            typed = each.typed(post)
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
    fields = [*run_fields(), *(each for _, _, each in _every_field())]
    values |= {each.name: text for each in fields if (text := each.typed(post)) is not None}
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
