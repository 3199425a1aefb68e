"""What pydantic finds wrong with a value, in words for the person who typed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _digits(number: float) -> str:
    """Every digit of a bound; a whole number has no point."""
    return str(int(number)) if number == int(number) else str(number)


_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "missing": lambda _: "is needed",
    "string_too_short": lambda _: "is needed",
    "extra_forbidden": lambda _: "there is no such field",
    "union_tag_not_found": lambda _: "is needed here",
    "union_tag_invalid": lambda limit: f"choose one of {limit['expected_tags']}".replace("'", ""),
    "literal_error": lambda limit: f"choose one of {limit['expected']}".replace("'", ""),
    "int_parsing": lambda _: "write a whole number",
    "int_type": lambda _: "write a whole number",
    "int_from_float": lambda _: "write a whole number",
    "int_parsing_size": lambda _: "this number is too large",
    "float_parsing": lambda _: "write a number",
    "float_type": lambda _: "write a number",
    "finite_number": lambda _: "write a finite number",
    "bool_parsing": lambda _: "write true or false",
    "bool_type": lambda _: "write true or false",
    "string_type": lambda _: "write text",
    "tuple_type": lambda _: "write a list of numbers, such as 8, 16, 32",
    "dict_type": lambda _: "write an object with named fields",
    "model_type": lambda _: "write an object with named fields",
    "model_attributes_type": lambda _: "write an object with named fields",
    "greater_than": lambda limit: f"must be more than {_digits(limit['gt'])}",
    "greater_than_equal": lambda limit: f"must be at least {_digits(limit['ge'])}",
    "less_than": lambda limit: f"must be less than {_digits(limit['lt'])}",
    "less_than_equal": lambda limit: f"must be at most {_digits(limit['le'])}",
    "string_too_long": lambda limit: f"use at most {limit['max_length']} characters",
    "too_short": lambda limit: f"give at least {limit['min_length']}",
    "too_long": lambda limit: f"give at most {limit['max_length']}",
}


def explain(problem: Any) -> str:
    """The sentence for one problem of a `ValidationError`. Our own validators write their own."""
    if problem["type"] in _WORDS:
        return _WORDS[problem["type"]](problem.get("ctx") or {})
    return str(problem["msg"]).removeprefix("Value error, ")
