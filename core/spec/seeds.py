"""Several seeds as people write them: `0-4`, or `0, 1, 7-9`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.messages import message
from core.spec import numbers
from core.spec.validation import WrongValue

MOST = 50
"""Runs that one submit may make."""

LARGEST = 2**31 - 1

_RANGE = re.compile(r"\s*([0-9]+)\s*[-\N{EN DASH}]\s*([0-9]+)\s*")


def read(parts: Sequence[int | str]) -> list[int]:
    """The seeds of a list of numbers and texts, each once, in their order.

    Raises:
        WrongValue: a part is neither a seed nor a range, or they are too many.
    """
    seeds: list[int] = []
    for part in parts:
        seeds += _part(part)
        if len(seeds) > MOST:
            raise WrongValue(message("input.too_many", most=MOST))
    return list(dict.fromkeys(seeds))


def parts(text: str) -> list[str]:
    """What stands between the commas of a text."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _part(part: int | str) -> Sequence[int]:
    found = _RANGE.fullmatch(part) if isinstance(part, str) else None
    if found is None:
        return [_seed(part)]
    first, last = (_seed(text) for text in found.groups())
    if last < first:
        raise WrongValue(message("input.seeds"))
    if last - first >= MOST:
        raise WrongValue(message("input.too_many", most=MOST))
    return range(first, last + 1)


def _seed(part: int | str) -> int:
    if isinstance(part, bool) or not isinstance(part, int | str):
        raise WrongValue(message("input.seeds"))
    try:
        seed = int(numbers.read(part, int)) if isinstance(part, str) else part
    except WrongValue:
        raise WrongValue(message("input.seeds")) from None
    if not 0 <= seed <= LARGEST:
        raise WrongValue(message("input.seeds"))
    return seed
