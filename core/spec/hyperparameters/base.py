"""What the sections of a spec have in common."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator

from core.spec import numbers
from core.spec.validation import Unreadable, WrongValue


class Section(BaseModel):
    """A part of the spec. Frozen, strict about names, and made of JSON values only.

    A text in the place of a number is read as the form and the terminal read it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _as_typed(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        kinds = _kinds_of_numbers(cls)
        return {
            name: _read(value, *kinds.get(name, (None, None))) for name, value in values.items()
        }


Number = type[int] | type[float]


def _read(value: Any, one: Number | None, many: Number | None = None) -> Any:
    """A value with its texts read, where a number of one kind is wanted, or many of another."""
    if one and isinstance(value, str):
        try:
            return numbers.read(value, one)
        except WrongValue as refused:
            return Unreadable(refused.reason)
    if many and isinstance(value, list | tuple):
        return [_read(each, many) for each in value]
    return value


@cache
def _kinds_of_numbers(
    section: type[BaseModel],
) -> dict[str, tuple[Number | None, Number | None]]:
    """For each field the kind of number that it holds, and the kind that it holds a list of."""
    return {
        name: (_number(info.annotation), _number(info.annotation, within=(tuple, list)))
        for name, info in section.model_fields.items()
    }


def _number(annotation: Any, within: tuple[Any, ...] = ()) -> Number | None:
    """The kind of number that a type allows; of its lists' members, where these are named."""
    if get_origin(annotation) in within:
        return _number(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        kinds = [_number(each, within) for each in get_args(annotation)]
        return next((kind for kind in kinds if kind is not None), None)
    if not within and (annotation is int or annotation is float):
        return int if annotation is int else float
    return None


@dataclass(frozen=True, slots=True)
class Description:
    """What a person sees of a value before choosing it."""

    label: str
    facts: tuple[tuple[str, str], ...]
    """Labels and texts."""


@dataclass(frozen=True, slots=True)
class DescribedBy:
    """The mark of a field whose values are names of something with a description."""

    describe: Callable[[Any], Description]
