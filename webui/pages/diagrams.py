"""The geometry of small diagrams that the server draws: curves, and accuracies with intervals.

y goes down from the top, as in SVG; everything is in the units of the view box.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core import formats
from core.coach import Bar, Curves, Intervals, Series

WIDTH, HEIGHT = 300, 110
"""Of the plot, without its labels."""
ROUND = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
"""Where an axis may end, times a power of ten: half of each is a short number too."""
ACCURACY_STEP = 0.05
"""An axis of accuracies begins and ends at a multiple of it."""
ROW = 30
"""Height of a row of an accuracy and its interval."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A labeled place on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: its measured value, which decides color and label, and its path."""

    value: str
    path: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """Curves with their axes, and the part of them that is meant."""

    by: str
    lines: Sequence[Line]
    ticks: Sequence[Tick]
    first: Tick
    last: Tick
    shaded: tuple[float, float]
    """x and width of the part that shows it."""
    level: float | None
    """y of the loss of guessing."""
    is_accuracy: bool
    rate_from: str = ""
    rate_to: str = ""
    """The smallest and the largest learning rate, where it is drawn on a scale of its own."""


def diagram(curves: Curves) -> Diagram | None:
    """The diagram of curves; None where there is nothing to draw a line between."""
    drawn = [each for each in curves.series if len(each.at) > 1]
    if not drawn:
        return None
    is_accuracy = drawn[0].value.endswith("_accuracy")
    values = [value for each in drawn for value in each.values]
    values += [curves.level] if curves.level else []
    low, high = _around(values) if is_accuracy else (0.0, _above(max(values)))
    scale = _Scale(drawn[0].at[0], drawn[0].at[-1], low, high)
    write = formats.percent if is_accuracy else formats.short
    rates = curves.rate
    lines = [Line(each.value, scale.path(each)) for each in drawn]
    if rates:
        lines.append(Line(rates.value, _Scale(*scale.across, 0.0, max(rates.values)).path(rates)))
    return Diagram(
        by=curves.by,
        lines=lines,
        ticks=_ticks(scale, write),
        first=Tick(0, formats.whole(scale.first)),
        last=Tick(WIDTH, formats.whole(scale.last)),
        shaded=(scale.x(curves.first), round(scale.x(curves.last) - scale.x(curves.first), 1)),
        level=scale.y(curves.level) if curves.level else None,
        is_accuracy=is_accuracy,
        rate_from=formats.short(min(rates.values)) if rates else "",
        rate_to=formats.short(max(rates.values)) if rates else "",
    )


def _above(value: float) -> float:
    """The next round number; 1 above 0."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(each * power for each in ROUND if each * power >= value * (1 - 1e-9))


def _around(accuracies: Sequence[float]) -> tuple[float, float]:
    """From where to where an axis has to reach for some accuracies."""
    low = math.floor(min(accuracies) / ACCURACY_STEP) * ACCURACY_STEP
    high = math.ceil(max(accuracies) / ACCURACY_STEP) * ACCURACY_STEP
    return low, max(high, low + ACCURACY_STEP)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to places in the plot."""

    first: int
    last: int
    low: float
    high: float

    @property
    def across(self) -> tuple[int, int]:
        return self.first, self.last

    def x(self, at: float) -> float:
        return round((at - self.first) / ((self.last - self.first) or 1) * WIDTH, 1)

    def y(self, value: float) -> float:
        return round((1 - (value - self.low) / ((self.high - self.low) or 1)) * HEIGHT, 1)

    def path(self, series: Series) -> str:
        places = zip(series.at, series.values, strict=True)
        return "M" + "L".join(f"{self.x(at)} {self.y(value)}" for at, value in places)


def _ticks(scale: _Scale, write: Callable[[float], str]) -> list[Tick]:
    """Three labels: at the bottom, in the middle, at the top."""
    values = [scale.low, (scale.low + scale.high) / 2, scale.high]
    return [Tick(scale.y(value), write(value)) for value in values]


@dataclass(frozen=True, slots=True)
class Range:
    """An accuracy and its interval, as a row."""

    bar: Bar
    y: float
    x: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Ranges:
    """Accuracies below each other, on one scale."""

    rows: Sequence[Range]
    height: float
    first: Tick
    last: Tick
    overlap: tuple[float, float]
    """x and width of where the intervals overlap."""


def ranges(intervals: Intervals) -> Ranges:
    """The diagram of accuracies and their intervals."""
    bars = intervals.bars
    low, high = min(each.low for each in bars), max(each.high for each in bars)

    def x(value: float) -> float:
        return round((value - low) / ((high - low) or 1) * WIDTH, 1)

    begin, end = max(each.low for each in bars), min(each.high for each in bars)
    return Ranges(
        rows=[
            Range(each, place * ROW + ROW / 2, x(each.accuracy), x(each.low), x(each.high))
            for place, each in enumerate(bars)
        ],
        height=ROW * len(bars),
        first=Tick(0, formats.percent(low)),
        last=Tick(WIDTH, formats.percent(high)),
        overlap=(x(begin), round(max(0.0, x(end) - x(begin)), 1)),
    )
