"""What pydantic finds wrong with a value, as messages for the person who typed it."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from core.errors import FieldError
from core.messages import Message, message

KIND = "kind"
"""The field that tells the variants of a section apart."""


class WrongValue(ValueError):
    """A value that cannot be used. Raised by a model's own validators."""

    def __init__(self, reason: Message) -> None:
        super().__init__(reason.text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a text that could not be read, so that pydantic refuses it where it stood."""

    reason: Message


class Incompatible(ValueError):
    """Values that are right each by itself, and cannot work together.

    Raised by a model's own validators; the fields are named from that model on.
    """

    def __init__(self, mistakes: list[FieldError]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.message}" for each in mistakes))
        self.mistakes = mistakes


def _just(code: str) -> Callable[[Mapping[str, Any]], Message]:
    return lambda _: message(code)


def _bound(code: str, name: str) -> Callable[[Mapping[str, Any]], Message]:
    return lambda limits: message(code, bound=limits[name])


_MESSAGES: dict[str, Callable[[Mapping[str, Any]], Message]] = {
    "missing": _just("input.required"),
    "string_too_short": _just("input.required"),
    "extra_forbidden": _just("input.unknown_field"),
    "union_tag_not_found": _just("input.required"),
    "int_parsing": _just("input.whole_number"),
    "int_type": _just("input.whole_number"),
    "int_from_float": _just("input.whole_number"),
    "int_parsing_size": _just("input.number_too_large"),
    "float_parsing": _just("input.number"),
    "float_type": _just("input.number"),
    "finite_number": _just("input.finite_number"),
    "bool_parsing": _just("input.true_or_false"),
    "bool_type": _just("input.true_or_false"),
    "string_type": _just("input.text"),
    "string_unicode": _just("input.unicode"),
    "path_type": _just("input.text"),
    "tuple_type": _just("input.numbers"),
    "dict_type": _just("input.fields"),
    "model_type": _just("input.fields"),
    "model_attributes_type": _just("input.fields"),
    "greater_than": _bound("input.more_than", "gt"),
    "greater_than_equal": _bound("input.at_least", "ge"),
    "less_than": _bound("input.less_than", "lt"),
    "less_than_equal": _bound("input.at_most", "le"),
    "string_too_long": lambda limits: message("input.characters", most=limits["max_length"]),
    "too_short": lambda limits: message("input.too_few", least=limits["min_length"]),
    "too_long": lambda limits: message("input.too_many", most=limits["max_length"]),
}


def explain(model: type[BaseModel], problem: Any) -> Message:
    """The message for one problem of a model's `ValidationError`."""
    if isinstance(given := problem.get("input"), Unreadable):
        return given.reason
    kind, facts = problem["type"], problem.get("ctx") or {}
    if kind in _MESSAGES:
        return _MESSAGES[kind](facts)
    if kind in ("literal_error", "union_tag_invalid"):
        return message("input.one_of", choices=_choices(model, problem["loc"]))
    cause = facts.get("error")
    if isinstance(cause, WrongValue):
        return cause.reason
    return message("input.invalid", kind=kind, detail=str(cause or problem["msg"]))


def _choices(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """What a field may be, as it is typed. pydantic itself tells it as a sentence only."""
    found: list[Any] = [model]
    for part in place:
        found = [each for one in found for each in _below(one, part)]
    values: list[Any] = []
    for each in found:
        values += _kinds(each) if _is_model(each) else get_args(each)
    return [str(value) for value in values]


def _below(annotation: Any, part: int | str) -> list[Any]:
    """The types of what a part of a pydantic location names within a type."""
    if _is_model(annotation):
        if part in annotation.model_fields:
            return list(_members(annotation.model_fields[part].annotation))
        return [annotation] if part in _kinds(annotation) else []  # it names the variant here
    members = [each for each in get_args(annotation) if each is not ...]
    return list(_members(members[-1])) if members else []


def _members(annotation: Any) -> Iterator[Any]:
    """The types that a value may be of: the branches of a union, without their annotations."""
    if get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from _members(each)
    elif _is_model(annotation) or get_origin(annotation) is not None:
        yield annotation


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    """By what the variant that a model is of a section is chosen."""
    annotation = model.model_fields[KIND].annotation if KIND in model.model_fields else None
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
