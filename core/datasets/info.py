"""What a run must know of a dataset, wherever its images come from.

Whoever trains, describes a network or checks a spec is given this and looks nothing up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Framing:
    """How the images of a dataset of handwriting were made of what somebody had written."""

    box: float
    """The side, in pixels, of the square that the writing was scaled into."""
    center: Literal["mass", "box"]
    """What of the writing lies in the middle of the image: its center of mass, or of that box."""
    stroke: float
    """How wide a stroke of the pen is, in pixels: about, as a 1 of it shows."""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """One dataset: images of `channels` x `size` x `size` pixels in `len(classes)` classes."""

    name: str
    title: str
    description: str
    channels: int
    size: int
    classes: tuple[str, ...]
    """Their names, in the order of the labels, which begin at 0."""
    mean: tuple[float, ...]
    """Of all pixels to train on, scaled to 0..1: a value a channel."""
    std: tuple[float, ...]
    """The standard deviation of the same pixels: a value a channel."""
    train_count: int
    test_count: int
    folder: str
    """Where its files lie, below the data folder."""
    largest_pixel: int
    """The pixel value that stands for full white; images are divided by it."""
    license: str
    """Under what terms its authors give it away; says so where they name none."""
    source: str
    """The address of its authors' page."""
    framing: Framing | None = None
    """None: its images are pictures, which fill the frame."""
