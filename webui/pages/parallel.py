"""Parallel coordinates: an upright axis for each field in which runs differ, a line for each run.

Only where the lines go. The template draws them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from core.spec import numbers
from core.spec.validation import WrongValue
from webui.pages.comparison import Difference

MOST_AXES = 9
"""More do not fit beside each other."""
MOST_NAMES = 8
"""Values that have their names on an axis; of more, the first and the last."""
DECADES = 1.3
"""From so many powers of ten on, an axis of numbers is logarithmic."""

Point = tuple[float, float]
"""An axis, counted from 0, and a height from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A field with its values, as they are written, and their heights."""

    title: str
    heights: Sequence[float | None]
    """Of each run, from 0 (below) to 1; None where it has no such field."""
    ticks: Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Parallel:
    """The axes, and for each run the pieces of its line: it breaks where a run has no value."""

    axes: Sequence[Axis]
    lines: Sequence[Sequence[Sequence[Point]]]


def parallel(differences: Sequence[Difference], result: Difference) -> Parallel:
    """Axes for the fields that differ, with what came of them as the last one.

    Args:
        differences: the fields.
        result: what is compared in the end, such as the accuracies.
    """
    axes = [_axis(each) for each in (*differences[: MOST_AXES - 1], result)]
    return Parallel(axes, [_pieces(axes, run) for run in range(len(result.values))])


def _pieces(axes: Sequence[Axis], run: int) -> list[list[Point]]:
    points = [(float(place), axis.heights[run]) for place, axis in enumerate(axes)]
    pieces = groupby(points, lambda point: point[1] is not None)
    return [
        [(place, height) for place, height in piece if height is not None]
        for is_there, piece in pieces
        if is_there
    ]


def _axis(field: Difference) -> Axis:
    read = {text: _number(text) for text in field.values if text}
    values = {text: value for text, value in read.items() if value is not None}
    places = _of_numbers(values) if len(values) == len(read) else _of_names(list(read))
    return Axis(
        field.title,
        [places.get(text) for text in field.values],
        _ticks(sorted(places.items(), key=lambda each: each[1])),
    )


def _ticks(places: Sequence[tuple[str, float]]) -> list[tuple[float, str]]:
    shown = places if len(places) <= MOST_NAMES else [places[0], places[-1]]
    return [(height, text) for text, height in shown]


def _number(text: str) -> float | None:
    try:
        return float(numbers.read(text.replace(",", "").removesuffix("%"), float))
    except WrongValue:
        return None


def _of_numbers(values: dict[str, float]) -> dict[str, float]:
    low, high = min(values.values(), default=0.0), max(values.values(), default=0.0)
    if low > 0 and math.log10(high / low) >= DECADES:
        return _of_numbers({text: math.log10(value) for text, value in values.items()})
    return {
        text: (value - low) / (high - low) if high > low else 0.5 for text, value in values.items()
    }


def _of_names(names: Sequence[str]) -> dict[str, float]:
    """Names at equal distances, in the order in which they come first."""
    return {name: place / max(1, len(names) - 1) for place, name in enumerate(names)}
