"""What a run must know of a dataset, wherever its images come from.

Whoever trains, describes a network or checks a spec is given this and looks nothing up.
"""

from __future__ import annotations

from dataclasses import dataclass


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
