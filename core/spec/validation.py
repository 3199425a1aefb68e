"""What pydantic finds wrong with a value, as messages for the person who typed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.errors import FieldError
from core.messages import Message, message, plain


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
    "union_tag_invalid": lambda limits: _one_of(limits["expected_tags"]),
    "literal_error": lambda limits: _one_of(limits["expected"]),
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


def explain(problem: Any) -> Message:
    """The message for one problem of a `ValidationError`. Our own validators write their own."""
    if problem["type"] in _MESSAGES:
        return _MESSAGES[problem["type"]](problem.get("ctx") or {})
    return plain(str(problem["msg"]).removeprefix("Value error, "))


def _one_of(expected: str) -> Message:
    """The choices, which pydantic tells as `'a', 'b' or 'c'`."""
    choices = expected.replace("'", "").replace(" or ", ", ").split(", ")
    return message("input.one_of", choices=choices)
