"""The form of a new run as it is shown: what stands in its inputs, and what is wrong with it.

The fields are those of `core.spec.fields`, so a field or a variant that is added to the spec
appears here by itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from core.languages.texts import unfilled
from core.spec import fields
from core.spec.facts import ESSENTIALS
from core.spec.fields import Field, Section, Variant, every_field, kind_field, sections
from core.spec.presets import PRESETS
from webui.actions import Submission
from webui.forms.describing import as_read, in_short, is_same, preset_texts

SHORT_CHOICES = 28
"""Characters, with some room for each choice."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A message, and the input that it belongs to where there is one."""

    name: str
    title: str
    message: str


@dataclass(frozen=True, slots=True)
class Source:
    """An old run that is cloned."""

    job_id: int
    name: str
    values: Mapping[str, str]
    """What stood in each input of the spec."""


@dataclass(frozen=True, slots=True)
class Essential:
    """A field that a first run is decided by, or the kind of a section."""

    section: Section
    fields: Sequence[tuple[Variant, Field]]
    """One, or one for each kind of the section; none: it is the kind itself."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An input that differs from what it was filled with, for reading."""

    name: str
    title: str
    before: str
    now: str


@dataclass(frozen=True)
class Form:
    """The form as it is shown: what stands in each input, and what is wrong with it.

    What was changed is found out once: each field of the page asks for it, several times.
    """

    values: Mapping[str, str]
    preset: str = ""
    source: Source | None = None
    """Where the values come from, when it is not a preset."""
    mistakes: Sequence[Mistake] = field(default=())
    notice: str = ""
    """Why nothing was queued, where no field is to blame."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    """What its submit is known by, however often it is sent."""

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

    @property
    def essentials(self) -> list[Essential]:
        """What decides a first run, in its order."""
        return essentials()

    def rest(self, variant: Variant) -> list[Field]:
        """The fields of a kind that are no essentials."""
        return [each for each in variant.fields if each.path not in ESSENTIALS]

    def chooses_kind(self, section: Section) -> bool:
        """Whether the kind of a section is chosen within it: else it is an essential."""
        return section.has_kinds and section.kind_name not in ESSENTIALS

    def is_short(self, choices: Field) -> bool:
        return is_short(choices)

    def is_open(self, names: Sequence[str]) -> bool:
        """Whether a folded section shows itself: something is wrong there, or was changed."""
        changed = self.changes
        return any(self.errors(name) or name in changed for name in names)

    def inputs(self, section: Section) -> list[str]:
        """The names of the inputs in a section, of the kind that is chosen."""
        kind = [section.kind_name] if self.chooses_kind(section) else []
        variant = section.variant(self.chosen(section) if section.has_kinds else None)
        return kind + [each.name for each in (self.rest(variant) if variant else ())]

    @property
    def has_more(self) -> bool:
        """Whether anything is wrong, or was changed, besides the essentials."""
        names = [name for section in sections() for name in self.inputs(section)]
        names += [each.name for each in run_fields() if not each.required]
        return self.is_open(names)

    @property
    def start(self) -> str:
        """What the values are compared with: the title of the preset, or the name of the run."""
        if self.preset in PRESETS:
            return unfilled(PRESETS[self.preset].title)
        return self.source.name if self.source else ""

    @property
    def base(self) -> Mapping[str, str]:
        """What the form was filled with, by its inputs."""
        return preset_texts().get(self.preset) or (self.source.values if self.source else {})

    @cached_property
    def changes(self) -> list[str]:
        """The inputs of the spec that differ from what the form was filled with."""
        base = self.base
        return [
            name
            for name in self._sent()
            if name in base and not is_same(self.values.get(name, base[name]), base[name])
        ]

    @cached_property
    def differences(self) -> list[Difference]:
        """What differs from what the form was filled with, for reading."""
        titled = {each.name: each for each in _inputs_by_name()}
        base = self.base
        return [
            Difference(
                name,
                titled[name].title,
                as_read(titled[name], base[name]),
                as_read(titled[name], self.values[name]),
            )
            for name in self.changes
        ]

    def before(self, name: str) -> str | None:
        """What an input was filled with, for reading, where it differs now; else None."""
        return next((each.before for each in self.differences if each.name == name), None)

    def _sent(self) -> Iterator[str]:
        """The inputs of the spec, without those of kinds that are not chosen."""
        for section in sections():
            if section.has_kinds:
                yield section.kind_name
            variant = section.variant(self.chosen(section) if section.has_kinds else None)
            if variant:
                yield from (each.name for each in variant.fields)

    def summary(self, inputs: Sequence[Field]) -> list[str]:
        """What is set in some fields, in the few words that a summary has room for."""
        return [
            in_short(each, self._typed(each))
            for each in inputs
            if not is_same(self._typed(each), each.default)
        ]

    def summary_of(self, section: Section) -> list[str]:
        """What is set in a section: its kind, and what differs from the defaults of that."""
        variant = section.variant(self.chosen(section) if section.has_kinds else None)
        if variant is None:
            return []
        kind = [variant.title] if section.has_kinds else []
        return kind + self.summary(self.rest(variant))

    def _typed(self, each: Field) -> str:
        return self.values.get(each.name, each.default)

    def chosen(self, section: Section) -> str:
        """The kind that is chosen in a section."""
        return self.values.get(section.kind_name, section.default_kind)

    def errors(self, name: str) -> list[str]:
        """The messages that belong to an input."""
        return [mistake.message for mistake in self.mistakes if mistake.name == name]


def essentials() -> list[Essential]:
    """What decides a first run: each of `core.spec.facts.ESSENTIALS`, with where it stands."""
    found = []
    for path in ESSENTIALS:
        section = next(each for each in sections() if _is_of(each, path))
        fields = [(v, each) for v in section.variants for each in v.fields if each.path == path]
        found.append(Essential(section, fields))
    return found


def _is_of(section: Section, path: str) -> bool:
    own = [each.path for variant in section.variants for each in variant.fields]
    return path in own or (section.has_kinds and path == section.kind_name)


def _inputs_by_name() -> tuple[Field, ...]:
    """Every input of the spec: its fields, and the kinds of its sections."""
    kinds = [kind_field(section) for section in sections() if section.has_kinds]
    return (*kinds, *(each for _, _, each in every_field()))


def inputs() -> tuple[Field, ...]:
    """Every input of the form."""
    return (*run_fields(), *_inputs_by_name())


def run_fields() -> tuple[Field, ...]:
    """What is asked of a run besides its spec."""
    return tuple(
        each
        for each in fields.plain_fields(Submission)
        if each.path not in ("preset", "spec", "cloned_from")
    )


def is_short(choices: Field) -> bool:
    """Whether all the choices of a field fit side by side."""
    return sum(len(choice.label) + 3 for choice in choices.choices) <= SHORT_CHOICES
