"""The fields of a spec as data: what a form, or the terminal's help, needs to know of each.

Nothing here names a hyperparameter: labels, help, bounds, choices and defaults are read from a
pydantic model, so a field or a variant that is added to it appears everywhere by itself. Labels and
help are in the chosen language.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from core.languages import chosen, gettext
from core.languages.texts import unfilled
from core.spec import numbers
from core.spec.hyperparameters.base import DescribedBy
from core.spec.migrate import earlier_keys
from core.spec.spec import TrainingSpec
from core.spec.validation import KIND, WrongValue

Widget = Literal["text", "checkbox", "choice"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values that a field may have."""

    value: Any
    label: str
    facts: tuple[tuple[str, str], ...] = ()
    """What a person may want to know before choosing it: labels and texts."""

    @property
    def text(self) -> str:
        """The value as a person types it."""
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Field:
    """One field, as a form or a terminal shows it."""

    name: str
    """A name of its own: where variants share a path, the kind is in it."""
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
    def names(self) -> tuple[str, ...]:
        """Every name that a form may post it by: today's, and those of earlier releases."""
        earlier = earlier_keys(self.path)
        before = [name.rpartition(".")[0] for name in (self.name, self.path)]
        old = [f"{prefix}.{key}" if prefix else key for prefix in before for key in earlier]
        return tuple(dict.fromkeys((self.name, self.path, *old)))

    @property
    def is_number(self) -> bool:
        """Whether it is typed as a number, or as several."""
        return self.kind in (int, float)

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
            return ", ".join(self.text(item) for item in value)
        if isinstance(value, float):
            return repr(value).removesuffix(".0")
        return str(value)

    def label(self, value: Any) -> str:
        """The label of a value: that of its choice, yes or no, none for an empty field."""
        if isinstance(value, bool):
            return gettext("yes") if value else gettext("no")
        label = next((choice.label for choice in self.choices if choice.value == value), None)
        return label or self.text(value) or gettext("none")

    def value(self, text: str) -> Any:
        """The text as a value. What cannot be read stays text: the model's error says why."""
        text = text.strip()
        if self.optional and not text:
            return None
        if self.many:
            parts = text.split(";" if ";" in text else ",")
            return [self._single(part.strip()) for part in parts if part.strip()]
        if self.choices:
            return next((c.value for c in self.choices if c.text == text), text)
        return self._single(text)

    def _single(self, text: str) -> Any:
        if self.kind in (int, float):
            with contextlib.suppress(WrongValue):
                return numbers.read(text, self.kind)
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
    """A part of a spec. Its plain fields have a section without a path."""

    path: str
    title: str
    help: str
    default_kind: str
    variants: tuple[Variant, ...]

    @property
    def has_kinds(self) -> bool:
        """Whether there is a choice of variants."""
        return len(self.variants) > 1

    @property
    def kind_name(self) -> str:
        """The path of the field that chooses the variant."""
        return f"{self.path}.{KIND}"

    def part(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """This section's part of a spec."""
        part = values.get(self.path, {}) if self.path else values
        return part if isinstance(part, Mapping) else {}

    def variant(self, kind: str | None) -> Variant | None:
        """The variant of a kind."""
        return next((v for v in self.variants if v.kind == (kind or self.default_kind)), None)


def sections(model: type[BaseModel] = TrainingSpec) -> tuple[Section, ...]:
    """The parts of a spec: first its plain fields together, then each section."""
    return _sections(model, chosen())


@cache
def _sections(model: type[BaseModel], _language: str) -> tuple[Section, ...]:
    plain: list[Field] = []
    parts: list[Section] = []
    for name, info in model.model_fields.items():
        variants = _variants(info.annotation)
        if variants:
            parts.append(_section(name, info, variants))
        else:
            plain.append(_field(name, name, info))
    first = Section("", gettext("Training"), "", "", (Variant("", "", "", tuple(plain)),))
    return (first, *parts) if plain else tuple(parts)


def plain_fields(model: type[BaseModel]) -> tuple[Field, ...]:
    """The fields of a model that are single values."""
    return _plain_fields(model, chosen())


@cache
def _plain_fields(model: type[BaseModel], _language: str) -> tuple[Field, ...]:
    return tuple(
        _field(name, name, info)
        for name, info in model.model_fields.items()
        if not _variants(info.annotation)
    )


def every_field() -> Iterator[tuple[Section, Variant, Field]]:
    """Each field of the spec, with where it stands."""
    for section in sections():
        for variant in section.variants:
            for each in variant.fields:
                yield section, variant, each


def spec_fields() -> dict[str, list[Field]]:
    """The fields of the spec by path; a path that several variants have lists each."""
    by_path: dict[str, list[Field]] = {}
    for section in sections():
        if section.has_kinds:
            by_path[section.kind_name] = [kind_field(section)]
        for variant in section.variants:
            for each in variant.fields:
                by_path.setdefault(each.path, []).append(each)
    return by_path


def kind_field(section: Section) -> Field:
    """The field that chooses the variant of a section."""
    return Field(
        name=section.kind_name,
        path=section.kind_name,
        title=section.title,
        help=section.help,
        hint="",
        widget="choice",
        kind=str,
        default=section.default_kind,
        choices=tuple(Choice(variant.kind, variant.title) for variant in section.variants),
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
        title=unfilled(info.title or _words(path)),
        help=unfilled(info.description or ""),
        default_kind=kinds.get(type(default), kinds[variants[0]]),
        variants=tuple(_variant(path, model, alone=len(variants) == 1) for model in variants),
    )


def _variant(path: str, model: type[BaseModel], *, alone: bool) -> Variant:
    kind = _kind(model)
    prefix = path if alone else f"{path}.{kind}"
    return Variant(
        kind=kind,
        title=unfilled(_title(model, kind)),
        help=unfilled(" ".join((model.__doc__ or "").split())),
        fields=tuple(
            _field(f"{prefix}.{name}", f"{path}.{name}", info)
            for name, info in model.model_fields.items()
            if name != KIND
        ),
    )


def _title(model: type[BaseModel], kind: str) -> str:
    """What a variant is called: as its model says, else its class where that is a name, or kind."""
    given = model.model_config.get("title")
    return given or (model.__name__ if model.__name__.lower() == kind else _words(kind))


def _kind(model: type[BaseModel]) -> str:
    if KIND not in model.model_fields:
        return model.__name__.lower()
    return str(get_args(model.model_fields[KIND].annotation)[0])


def _field(name: str, path: str, info: FieldInfo) -> Field:
    annotation, optional = _without_none(info.annotation)
    item, item_bounds = _item(annotation)
    many = item is not None
    kind = item if many else annotation
    choices = _choices(annotation, info.metadata)
    bounds = _bounds(item_bounds if many else info.metadata)
    default = info.get_default(call_default_factory=True, validated_data={})
    made = Field(
        name=name,
        path=path,
        title=unfilled(info.title or _words(path.rpartition(".")[2])),
        help=unfilled(info.description or ""),
        hint=gettext("comma-separated, each %(bounds)s", bounds=bounds)
        if many and bounds
        else bounds,
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
    unticked = "false" if made.widget == "checkbox" else ""  # a box has no third state
    return replace(made, default=made.text(default) or unticked)


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


def _choices(annotation: Any, metadata: Sequence[Any]) -> tuple[Choice, ...]:
    if get_origin(annotation) is not Literal:
        return ()
    values = get_args(annotation)
    described_by = next((mark for mark in metadata if isinstance(mark, DescribedBy)), None)
    if described_by is None:
        return tuple(Choice(value, str(value)) for value in values)
    descriptions = [described_by.describe(value) for value in values]
    return tuple(
        Choice(value, each.label, each.facts)
        for value, each in zip(values, descriptions, strict=True)
    )


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
            return gettext("%(low)s to %(high)s", low=low, high=high)
        case {"gt": low, "le": high}:
            return gettext("above %(low)s, at most %(high)s", low=low, high=high)
        case {"ge": low, "lt": high}:
            return gettext("%(low)s to below %(high)s", low=low, high=high)
        case {"gt": low, "lt": high}:
            return gettext("between %(low)s and %(high)s", low=low, high=high)
        case {"ge": low}:
            return gettext("at least %(low)s", low=low)
        case {"gt": low}:
            return gettext("above %(low)s", low=low)
        case {"le": high}:
            return gettext("at most %(high)s", high=high)
        case {"lt": high}:
            return gettext("below %(high)s", high=high)
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
