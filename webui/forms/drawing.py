"""Pictures of what a form describes, as numbers that a template draws by: SVG made on the server.

Nothing here has a color or a word: both are the template's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from core import formats
from core.spec.facts import LearningRate
from core.spec.shapes import Block, Shape

_TALLEST, _SHORTEST = 54.0, 5.0
_WIDEST, _NARROWEST = 26.0, 3.0
_GAP = 4.0
_LABEL = 34.0
"""Room for a label such as 14x14."""
_ROOM = 370.0
"""Pixels that there are beside a form."""
_TEXT = 24.0
"""Room for two lines below the boxes."""
MOST_BOXES = 24
"""A deeper network is drawn as its first and its last blocks."""


@dataclass(frozen=True, slots=True)
class Box:
    """What comes out of a block, drawn: as tall as its map, as wide as it has channels."""

    x: float
    y: float
    width: float
    height: float
    block: Block
    trained: bool
    """Whether the block has parameters."""
    label: Sequence[str]
    """Lines below it: the channels and the sides of its output, where they are new."""


@dataclass(frozen=True, slots=True)
class NetworkPicture:
    """A network from left to right."""

    width: float
    height: float
    boxes: Sequence[Box]
    text_at: float
    """Where the first line of the labels stands."""
    left_out: int
    """Blocks in the middle that are not drawn."""

    @property
    def scale(self) -> float:
        """Pixels to each unit: a short network is drawn larger."""
        return min(1.5, max(1.0, _ROOM / self.width))


def network_picture(blocks: Sequence[Block], image: Shape) -> NetworkPicture:
    """The boxes of a network, the image first."""
    shown, left_out = _shown([Block("Image", image, 0, 0), *blocks])
    boxes: list[Box] = []
    x = 0.0
    for number, block in enumerate(shown):
        width, height = _size(block.shape, image[-1])
        label = _label(block) if block.parameters or number == 0 else ()
        room = max(width + _GAP, _LABEL if label else 0)
        y = (_TALLEST - height) / 2 + 1
        trained = block.parameters > 0
        boxes.append(Box(x + (room - width) / 2, y, width, height, block, trained, label))
        x += room
    return NetworkPicture(x, _TALLEST + _TEXT, boxes, _TALLEST + 12, left_out)


def _label(block: Block) -> Sequence[str]:
    channels, *sides = (formats.exact(size) for size in block.shape)
    return (channels, "\N{MULTIPLICATION SIGN}".join(sides)) if sides else (channels,)


def _shown(blocks: Sequence[Block]) -> tuple[Sequence[Block], int]:
    if len(blocks) <= MOST_BOXES:
        return blocks, 0
    half = MOST_BOXES // 2
    return [*blocks[:half], *blocks[-half:]], len(blocks) - 2 * half


def _size(shape: Shape, image_side: int) -> tuple[float, float]:
    """Width and height of a box, by the logarithm of its channels and by its side."""
    if len(shape) == 1:
        return _NARROWEST, _between(math.log2(max(2, shape[0])) / 12)
    width = _NARROWEST + (_WIDEST - _NARROWEST) * min(1.0, math.log2(max(1, shape[0])) / 9)
    return width, _between(shape[-1] / image_side)


def _between(share: float) -> float:
    return _SHORTEST + (_TALLEST - _SHORTEST) * min(1.0, share)


@dataclass(frozen=True, slots=True)
class Rates:
    """The learning rate over a run, drawn in a square of 100 by 100."""

    path: str
    """Its line, as the points of a polyline."""
    peak: float
    last: float
    of: LearningRate


def rates_picture(rates: LearningRate) -> Rates:
    """The learning rate of a run as a line."""
    peak = max(rate for _, rate in rates.drawn)
    # above the top there is room for the line's own width
    points = [(100 * share, 98 - 94 * rate / peak) for share, rate in rates.drawn]
    if len(points) == 1:
        points.append((100.0, points[0][1]))
    path = " ".join(f"{x},{y}" for x, y in _rounded(points))
    return Rates(path, peak, rates.drawn[-1][1], rates)


def _rounded(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points to two digits, without those between two equal neighbors."""
    near = [(round(x, 2), round(y, 2)) for x, y in points]
    kept = [near[0]]
    for (before, here), after in zip(pairwise(near), [*near[2:], None], strict=True):
        if after is None or not before[1] == here[1] == after[1]:
            kept.append(here)
    return kept
