"""Conditions on the values of runs, as people write them: `test_accuracy > 0.98 and epochs = 5`.

A value is a measurement, a hyperparameter by its dotted path, or what comes with the end of a run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

from core.database.engine import storable
from core.database.models import MEASURED, VALUE_LENGTH
from core.errors import InvalidInput
from core.messages import Message, message
from core.spec.fields import spec_fields

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
OF_THE_END = ("duration", "images_per_s")
"""What a job has when it has ended: in seconds, and in images a second."""
FIELD = "filter"
"""What conditions are called in an address."""
MOST = 10
LONGEST = 1000
"""Characters of all conditions together."""

_EXAMPLES = ("test_accuracy", "duration", "optimizer.learning_rate")
_AND = re.compile(r" and | ?&& ?", re.IGNORECASE)
_ONE = re.compile(r"([\w.]+) ?(==|!=|<=|>=|<|>|=) ?(.+)")
_QUOTED = re.compile(r"""("[^"]*"|'[^']*')""")
_OPERATORS: Mapping[str, Operator] = {
    **{each: each for each in get_args(Operator)},
    "==": "=",
}
_SIGNS = frozenset("<>=!")
_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, slots=True)
class Condition:
    """That a value of a run is equal to something, or not, or on one side of it."""

    name: str
    operator: Operator
    value: float | str


def read(text: str) -> tuple[Condition, ...]:
    """The conditions that a text has, joined by `and`; all of them must be true.

    A value may stand in quotation marks; `98%` is 0.98, and `true` and `false` are 1 and 0.

    Raises:
        InvalidInput: it has something else, an unknown value, or an order of words.
    """
    if len(text) > LONGEST:
        raise _refused(message("input.characters", most=LONGEST))
    plain = " ".join(text.split())
    written = _AND.split(plain) if plain else []
    if len(written) > MOST:
        raise _refused(message("input.too_many", most=MOST))
    return tuple(_read(each) for each in written)


def _read(text: str) -> Condition:
    parts = _ONE.fullmatch(text)
    if parts is None or not (_QUOTED.fullmatch(parts[3]) or _SIGNS.isdisjoint(parts[3])):
        raise _refused(message("input.condition", text=text))
    name, operator = parts[1], _OPERATORS[parts[2]]
    if name not in set(_names()):
        close = get_close_matches(name, _names(), 3) or _EXAMPLES
        raise _refused(message("input.condition_name", name=name, known=list(close)))
    value = _value(parts[3])
    if isinstance(value, str) and operator not in ("=", "!="):
        raise _refused(message("input.condition_order", name=name, value=value))
    return Condition(name, operator, value)


def _value(text: str) -> float | str:
    """A number where it is one; else a text as it is kept."""
    bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] in "\"'" else text
    percent = bare.endswith("%")
    try:
        number = _WORDS.get(bare.lower(), math.nan)
        number = float(bare.removesuffix("%")) if math.isnan(number) else number
    except ValueError:
        return storable(re.sub(r"\s*,\s*", ", ", bare)[:VALUE_LENGTH])
    if not math.isfinite(number):
        raise _refused(message("input.condition", text=text))
    return number / 100 if percent else number


def _names() -> Iterator[str]:
    yield from MEASURED
    yield from OF_THE_END
    yield from spec_fields()


def _refused(reason: Message) -> InvalidInput:
    return InvalidInput.one(FIELD, reason)
