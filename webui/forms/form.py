"""The form of a new run as it is shown: what stands in its inputs, and what is wrong with it.

The fields are those of `core.spec.fields`, so a field or a variant that is added to the spec
appears here by itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.languages.texts import unfilled
from core.spec import fields
from core.spec.fields import Field, Section, every_field, sections
from core.spec.presets import PRESETS
from webui.actions import Submission
from webui.forms.describing import in_short, is_folded, is_same, preset_texts

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
class Form:
    """The form as it is shown: what stands in each input, and what is wrong with it."""

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

    def is_short(self, choices: Field) -> bool:
        return is_short(choices)

    def is_folded(self, section: Section) -> bool:
        """Whether a section is folded away."""
        return is_folded(section)

    def is_open(self, inputs: Sequence[Field]) -> bool:
        """Whether a folded section shows itself: something is wrong there, or was changed."""
        changed = self.changes
        return any(self.errors(each.name) or each.name in changed for each in inputs)

    @property
    def start(self) -> str:
        """What the values are compared with: the title of the preset, or the name of the run."""
        if self.preset in PRESETS:
            return unfilled(PRESETS[self.preset].title)
        return self.source.name if self.source else ""

    @property
    def changes(self) -> list[str]:
        """The inputs of the spec that differ from what the form was filled with."""
        base = preset_texts().get(self.preset) or (self.source.values if self.source else {})
        return [
            name
            for name in self._sent()
            if name in base and not is_same(self.values.get(name, base[name]), base[name])
        ]

    def _sent(self) -> Iterator[str]:
        """The inputs of the spec, without those of kinds that are not chosen."""
        for section in sections():
            if section.has_kinds:
                yield section.kind_name
            variant = section.variant(self.chosen(section) if section.has_kinds else None)
            if variant:
                yield from (each.name for each in variant.fields)

    def summary(self, inputs: Sequence[Field]) -> list[str]:
        """What is set in a folded section, in the few words that its summary has room for."""
        return [
            in_short(each, self._typed(each))
            for each in inputs
            if not is_same(self._typed(each), each.default)
        ]

    def _typed(self, each: Field) -> str:
        return self.values.get(each.name, each.default)

    def chosen(self, section: Section) -> str:
        """The kind that is chosen in a section."""
        return self.values.get(section.kind_name, section.default_kind)

    def errors(self, name: str) -> list[str]:
        """The messages that belong to an input."""
        return [mistake.message for mistake in self.mistakes if mistake.name == name]


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
