"""Curves out of braille characters: each is a block of two by four dots, so lines are fine."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

from core import formats

# the bit of each dot of a braille character, by column and row: U+2800 and following
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_EMPTY = 0x2800
WIDTH, HEIGHT = len(_BITS), len(_BITS[0])

Points = Sequence[tuple[float, float]]


class Canvas:
    """Dots in a grid of characters, each character in the color of the last curve through it."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = max(columns, 1), max(rows, 1)
        self._cells = [[0] * self.columns for _ in range(self.rows)]
        self._colors = [[""] * self.columns for _ in range(self.rows)]

    def draw(self, points: Points, bounds: tuple[float, float, float, float], color: str) -> None:
        """Join points by lines.

        Args:
            points: x and y of each, in the order of x.
            bounds: the least and the largest x, the least and the largest y that are shown.
            color: of the whole curve.
        """
        places = [self._place(point, bounds) for point in points]
        for start, end in zip(places, places[1:] or places, strict=False):
            steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
            for step in range(steps + 1):
                column = start[0] + round((end[0] - start[0]) * step / steps)
                row = start[1] + round((end[1] - start[1]) * step / steps)
                self._set(column, row, color)

    def lines(self) -> list[Text]:
        """The rows from the top, as colored text."""
        return [
            Text.assemble(*((chr(_EMPTY + cell), color) for cell, color in zip(*row, strict=True)))
            for row in zip(self._cells, self._colors, strict=True)
        ]

    def _place(self, point: tuple[float, float], bounds: Sequence[float]) -> tuple[int, int]:
        left, right, low, high = bounds
        x = (point[0] - left) / ((right - left) or 1)
        y = (point[1] - low) / ((high - low) or 1)
        return (
            round(x * (self.columns * WIDTH - 1)),
            round((1 - y) * (self.rows * HEIGHT - 1)),
        )

    def _set(self, column: int, row: int, color: str) -> None:
        self._cells[row // HEIGHT][column // WIDTH] |= _BITS[column % WIDTH][row % HEIGHT]
        self._colors[row // HEIGHT][column // WIDTH] = color


def plot(
    curves: Sequence[tuple[str, str, Points]], columns: int, rows: int, *, share: bool = False
) -> list[Text]:
    """Curves with their scale at the left, and below them what each is.

    Args:
        curves: title, color and points of each; what is no finite number is left out.
        columns: of the whole picture.
        rows: of the whole picture.
        share: the values are shares, and written as percentages.
    """
    finite = [
        (title, color, [each for each in points if all(map(math.isfinite, each))])
        for title, color, points in curves
    ]
    shown = [each for each in finite if each[2]]
    if not shown:
        return []
    xs = [x for _, _, points in shown for x, _ in points]
    ys = [y for _, _, points in shown for _, y in points]
    write = formats.percent if share else formats.number
    labels = [write(max(ys)), write(min(ys))]
    margin = max(map(len, labels)) + 1
    canvas = Canvas(columns - margin, rows - 1)
    for _, color, points in shown:
        canvas.draw(points, (min(xs), max(xs), min(ys), max(ys)), color)
    lines = canvas.lines()
    ends = {0: labels[0], len(lines) - 1: labels[1]} if len(lines) > 1 else {0: labels[0]}
    picture = [
        Text(f"{ends.get(number, ''):>{margin - 1}} ").append_text(line)
        for number, line in enumerate(lines)
    ]
    legend = Text(" " * margin)
    for title, color, points in shown:
        legend.append(f"⠤ {title} {write(points[-1][1])}  ", color)
    legend.truncate(columns, overflow="ellipsis")
    return [*picture, legend]
