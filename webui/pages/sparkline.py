"""A small curve in a row of the list, as the points of a line in an SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core import formats
from core.languages import gettext

WIDTH, HEIGHT = 96, 24
MARGIN = 2
"""Units around the line, so that its stroke is not cut."""
POINTS = 32


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line, and what it says in words."""

    points: str
    title: str


def sparkline(losses: Sequence[float]) -> Sparkline | None:
    """The line of a run's losses, from the lowest to the highest; None with fewer than two."""
    values = [each for each in losses if math.isfinite(each)]
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    across = (WIDTH - 2 * MARGIN) / (len(values) - 1)
    down = (HEIGHT - 2 * MARGIN) / ((high - low) or 1)
    points = [
        f"{round(MARGIN + place * across, 1)},{round(MARGIN + (high - value) * down, 1)}"
        for place, value in enumerate(values)
    ]
    first, last = formats.number(values[0]), formats.number(values[-1])
    title = gettext("Train loss: from %(first)s to %(last)s", first=first, last=last)
    return Sparkline(" ".join(points), title)
