"""The training spec: the one definition of every hyperparameter.

The form, the API's schema and the terminal's help are all made from this model: a field's
title is its label, its description its help text, its constraints the bounds that a form or a
terminal shows. Unknown fields are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError, model_validator

from core.datasets.builtin import DATASETS
from core.errors import FieldError, InvalidInput
from core.messages import message
from core.spec import rules
from core.spec.hyperparameters import Hyperparameters
from core.spec.migrate import migrate
from core.spec.validation import KIND, Incompatible, explain

Spec = Mapping[str, Any]


class TrainingSpec(Hyperparameters):
    """Everything that decides what a run computes: a run is a function of its spec and data."""

    @model_validator(mode="before")
    @classmethod
    def _by_todays_names(cls, values: Any) -> Any:
        return migrate(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        mistakes = list(rules.mistakes(self, DATASETS[self.dataset]))
        if mistakes:
            raise Incompatible(mistakes)
        return self


def parse(value: Spec) -> TrainingSpec:
    """Check a whole spec.

    Raises:
        InvalidInput: with one message for each wrong field, named by its dotted path.
    """
    try:
        return TrainingSpec.model_validate(value)
    except ValidationError as error:
        raise InvalidInput(
            [each for problem in _causes(error) for each in _field_errors(problem)]
        ) from None


def merge(base: Spec, changes: Spec) -> dict[str, Any]:
    """Lay single fields over a whole spec.

    A section whose `kind` changes starts from that kind's own defaults: the momentum of `sgd`
    means nothing to `adam`.
    """
    merged = migrate(base)
    for name, change in migrate(changes).items():
        current = merged.get(name)
        if isinstance(change, Mapping) and isinstance(current, Mapping):
            same_kind = change.get("kind", current.get("kind")) == current.get("kind")
            merged[name] = {**current, **change} if same_kind else dict(change)
        else:
            merged[name] = change
    return merged


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted names (`optimizer.momentum`) into the nested shape of a spec."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *sections, field = name.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise InvalidInput.one(name, message("input.has_no_parts", field=section))
        if isinstance(place.get(field), dict):
            raise InvalidInput.one(name, message("input.has_parts", field=field))
        place[field] = value
    return nested


def schema() -> dict[str, Any]:
    """The JSON Schema of a spec."""
    return TrainingSpec.model_json_schema()


def _field_errors(problem: Any) -> list[FieldError]:
    """Name a pydantic problem by the dotted path that a person would type."""
    place = _place(problem)
    cause = (problem.get("ctx") or {}).get("error")
    if isinstance(cause, Incompatible):
        return [FieldError(_path(*place, each.field), each.reason) for each in cause.mistakes]
    return [FieldError(_path(*place) or "spec", explain(TrainingSpec, problem))]


def _place(problem: Any) -> list[int | str]:
    location = list(problem["loc"])
    if len(location) > 1 and location[0] in _SECTIONS_WITH_VARIANTS:
        del location[1]  # pydantic names the variant here
    if problem["type"].startswith("union_tag_"):
        location.append(KIND)
    return location


def _path(*parts: int | str) -> str:
    return ".".join(str(part) for part in parts)


_SECTIONS_WITH_VARIANTS = {
    name for name, info in TrainingSpec.model_fields.items() if info.discriminator
}


def _causes(error: ValidationError) -> list[Any]:
    """The problems, without a list's being too short because its members are wrong."""
    problems = error.errors()
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(_lies_below(other["loc"], problem["loc"]) for other in problems)
    ]


def _lies_below(inner: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer
