"""The data sets that a run may name: facts only, so that the web can show them without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

DatasetName = Literal["mnist", "fashion_mnist", "digits"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One data set: images of `channels` x `size` x `size` pixels in `len(classes)` classes."""

    name: DatasetName
    title: str
    description: str
    channels: int
    size: int
    classes: tuple[str, ...]
    train_count: int
    test_count: int
    folder: str
    """Where its files lie, below the data folder."""
    largest_pixel: int
    """The pixel value that stands for full white; images are divided by it."""


_DIGITS = tuple("0123456789")

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="mnist",
            title="MNIST",
            description="Handwritten digits, 28x28 grey pixels: 60,000 to train, 10,000 to test.",
            channels=1,
            size=28,
            classes=_DIGITS,
            train_count=60_000,
            test_count=10_000,
            folder="MNIST/raw",
            largest_pixel=255,
        ),
        Dataset(
            name="fashion_mnist",
            title="Fashion-MNIST",
            description="Articles of clothing in the format of MNIST; a harder drop-in.",
            channels=1,
            size=28,
            classes=(
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            train_count=60_000,
            test_count=10_000,
            folder="FashionMNIST/raw",
            largest_pixel=255,
        ),
        Dataset(
            name="digits",
            title="Digits (scikit-learn)",
            description="1,797 handwritten digits of 8x8 pixels, inside a Python package: "
            "a whole run takes seconds.",
            channels=1,
            size=8,
            classes=_DIGITS,
            train_count=1_437,
            test_count=360,
            folder="digits",
            largest_pixel=16,
        ),
    )
}

assert set(DATASETS) == set(get_args(DatasetName))
