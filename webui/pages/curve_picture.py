"""Curves of a run as a picture that needs no script: what a printed report has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core import formats

Numbers = Sequence[float | None]

WIDTH, HEIGHT = 340, 150
"""Of the plot alone, in the picture's own units."""
NAME_WIDTH = 70
"""What the name of a mark takes at most, and somewhat more: of one at each side of its line."""
TICKS = 5
"""About so many lines are drawn across."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a picture: what it is called, its color's name, and its points as SVG has them."""

    name: str
    color: str
    points: str
    dots: Sequence[tuple[float, float]]
    """The points again, where there are so few that a line may not be seen."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of lines over the epochs. Its y goes down from the top."""

    title: str
    lines: Sequence[Line]
    down: Sequence[tuple[float, str]]
    """Where the lines of the horizontal axis stand, and what is written there."""
    across: Sequence[tuple[float, str]]
    marks: Sequence[tuple[float, str, int]]
    """Where they stand, what they are called, and in which row: neighbors have different ones."""
    marks_at_top: bool
    """Where they are named: losses fall, and accuracies rise."""

    width = WIDTH
    height = HEIGHT


def draw(
    title: str,
    at: Sequence[float],
    lines: Mapping[tuple[str, str], Numbers],
    write: Callable[[float], str],
    *,
    is_share: bool = False,
    marks: Mapping[str, int | None] | None = None,
) -> Picture | None:
    """Draw lines over the epochs.

    Args:
        title: of the picture.
        at: the epochs, or places between them.
        lines: by name and color; None where nothing was measured.
        write: how a value is written.
        is_share: whether the values lie between 0 and 1, and are drawn as close as they are.
        marks: epochs with what is written beside them.

    Returns:
        None where there is nothing to draw.
    """
    values = [value for line in lines.values() for value in line if value is not None]
    if not values:
        return None
    low, high = _range(values, is_share=is_share)
    first, last = min(0, at[0]), max(at[-1], 1)

    def x(epoch: float) -> float:
        return round((epoch - first) / (last - first) * WIDTH, 1)

    def y(value: float) -> float:
        return round((high - value) / (high - low) * HEIGHT, 1)

    def line(name: str, color: str, column: Numbers) -> Line:
        places = [
            (x(epoch), y(value))
            for epoch, value in zip(at, column, strict=True)
            if value is not None
        ]
        few = places if len(places) <= WIDTH // 10 else []
        return Line(name, color, " ".join(f"{a},{b}" for a, b in places), few)

    return Picture(
        title,
        [line(name, color, column) for (name, color), column in lines.items()],
        [(x(each), formats.exact(each)) for each in _epoch_ticks(first, last)],
        [(y(each), write(each)) for each in _ticks(low, high)],
        _in_rows([(x(epoch), text) for text, epoch in (marks or {}).items() if epoch]),
        not is_share,
    )


def _in_rows(marks: Sequence[tuple[float, str]]) -> list[tuple[float, str, int]]:
    """Marks with the row of each name, so that none is written over another."""
    return [
        (place, text, sum(abs(place - other) < NAME_WIDTH for other, _ in marks[:number]))
        for number, (place, text) in enumerate(marks)
    ]


def _range(values: Sequence[float], *, is_share: bool) -> tuple[float, float]:
    if not is_share:
        return min(0.0, *values), max(values) * 1.05 or 1.0
    room = max((max(values) - min(values)) * 0.15, 0.005)
    return max(0.0, min(values) - room), min(1.0, max(values) + room)


def _epoch_ticks(first: float, last: float) -> Sequence[float]:
    """Whole epochs, and the last of all in place of one that is too near to it."""
    found = list(_ticks(first, last))
    near = (found[1] - found[0]) / 2
    whole = [each for each in found if each == int(each)]
    if last != int(last):
        return whole
    return [*(each for each in whole if last - each > near), last]


def _ticks(low: float, high: float) -> Iterator[float]:
    """Round numbers from one value to another: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield round(number * step, 12)
