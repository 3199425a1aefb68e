"""Datasets as tensors: all images of a dataset, memory-mapped from its files as bytes.

MNIST and its kin lie in the files that their authors publish, in the IDX format. All other datasets
are converted to NumPy arrays when they are fetched: what their authors publish cannot be mapped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.datasets.builtin import DATASETS
from core.datasets.info import DatasetInfo
from core.errors import DataUnavailable
from core.messages import message
from worker.training import random

IN_IDX_FILES = ("mnist", "fashion_mnist", "kmnist")
_IDX_OF_BYTES = bytes([0, 0, 8])


@dataclass(frozen=True, slots=True)
class Images:
    """Part of a dataset: pixels uint8 (count, channels, size, size), labels int64 (count,)."""

    pixels: Tensor
    labels: Tensor
    largest_pixel: int

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Images:
        """The same images on a device."""
        return Images(self.pixels.to(device), self.labels.to(device), self.largest_pixel)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The images at `indices` as float32 in [0, 1], channels last, and their labels."""
        chosen = self.pixels[indices]
        images = chosen.to(torch.float32, memory_format=torch.channels_last)
        return images.div_(self.largest_pixel), self.labels[indices]


def is_present(name: str, folder: Path) -> bool:
    """Whether a dataset lies in the data folder. It is put there whole or not at all."""
    return (folder / DATASETS[name].folder).is_dir()


@cache
def load(name: str, folder: Path) -> tuple[Images, Images]:
    """Read a dataset from the data folder, once in a process.

    Returns:
        The images to train on, and those to test on.

    Raises:
        DataUnavailable: it is not there, or its files are damaged.
    """
    dataset = DATASETS[name]
    place = folder / dataset.folder
    if not place.is_dir():
        raise DataUnavailable(
            message("data.not_fetched", dataset=dataset.title, folder=str(place), name=name)
        )
    try:
        return (
            _part(dataset, place, "train", dataset.train_count),
            _part(dataset, place, "test", dataset.test_count),
        )
    except (OSError, ValueError, EOFError) as error:  # numpy has the last for an empty file
        reason = message(
            "data.damaged",
            dataset=dataset.title,
            folder=str(place),
            name=name,
            detail=str(error),
        )
        raise DataUnavailable(reason) from error


def split(
    train: Images, *, subset: int | None, validation: float, seed: int, classes: int
) -> tuple[Images, Images | None]:
    """Split the training images into a training set and a validation set, stratified by class.

    Both keep the order of the file, and the training set stays mapped from it where there is no
    validation set.

    Args:
        train: all training images of the dataset.
        subset: use the first so many of them only; None: all.
        validation: the share of the validation set, from 0 to below 1.
        seed: of the run; decides which images are in which set.
        classes: how many classes there are.

    Returns:
        The training set; and the validation set of `round(count * validation)` images, or None
        where that is 0.
    """
    images = train if subset is None else _take(train, slice(subset))
    count = round(len(images) * validation)
    if count == 0:
        return images, None
    kept_apart = torch.zeros(len(images), dtype=torch.bool)
    draw = random.generator(seed, "validation")
    for label, share in enumerate(_shares(images.labels, count, classes)):
        members = (images.labels == label).nonzero().flatten()
        drawn = torch.randperm(len(members), generator=draw)[:share]
        kept_apart[members[drawn]] = True
    return _take(images, ~kept_apart), _take(images, kept_apart)


def _shares(labels: Tensor, count: int, classes: int) -> list[int]:
    """The images of each class among `count`, in proportion: by the largest-remainder method."""
    sizes = torch.bincount(labels, minlength=classes).tolist()
    parts = [divmod(count * size, len(labels)) for size in sizes]
    shares = [whole for whole, _ in parts]
    by_remainder = sorted(range(len(parts)), key=lambda label: parts[label][1], reverse=True)
    for label in by_remainder[: count - sum(shares)]:
        shares[label] += 1
    return shares


def _take(images: Images, which: slice | Tensor) -> Images:
    return Images(images.pixels[which], images.labels[which], images.largest_pixel)


def read_idx(path: Path) -> np.ndarray:
    """Map an IDX file of bytes: a four-byte header, the sizes as big-endian int32, the values.

    The bytes stay on the disk until they are looked at; what changes them changes no file.

    Raises:
        ValueError: it is no such file, or not whole.
    """
    with path.open("rb") as file:
        header = file.read(4)
        sizes = file.read(4 * header[3]) if len(header) == 4 else b""
    if header[:3] != _IDX_OF_BYTES or len(sizes) != 4 * header[3]:
        raise ValueError(f"{path.name} is no IDX file of bytes")
    shape = tuple(int(size) for size in np.frombuffer(sizes, dtype=">i4"))
    begin = len(header) + len(sizes)
    if begin + math.prod(shape) != path.stat().st_size:
        raise ValueError(f"{path.name} is not as long as it says")
    return np.memmap(path, dtype=np.uint8, mode="c", offset=begin, shape=shape)


def _part(dataset: DatasetInfo, place: Path, part: str, count: int) -> Images:
    if dataset.name in IN_IDX_FILES:
        stem = "train" if part == "train" else "t10k"
        pixels = read_idx(place / f"{stem}-images-idx3-ubyte")
        labels = read_idx(place / f"{stem}-labels-idx1-ubyte")
    else:
        pixels = np.load(place / f"{part}-images.npy", mmap_mode="c")
        labels = np.load(place / f"{part}-labels.npy", mmap_mode="c")
    _check(dataset, part, count, pixels, labels)
    shaped = torch.from_numpy(pixels).reshape(-1, dataset.channels, dataset.size, dataset.size)
    return Images(shaped, torch.from_numpy(labels).to(torch.int64), dataset.largest_pixel)


def _check(
    dataset: DatasetInfo, part: str, count: int, pixels: np.ndarray, labels: np.ndarray
) -> None:
    """Raise ValueError where the files do not hold what the catalog says."""
    size, classes = dataset.size, len(dataset.classes)
    shape: tuple[int, ...] = (count, dataset.channels, size, size)
    if pixels.ndim == 3 and dataset.channels == 1:  # IDX files have no dimension for the channel
        shape = (count, size, size)
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise ValueError(f"the {part} images are {pixels.dtype} {pixels.shape}, not uint8 {shape}")
    if labels.shape != (count,) or labels.dtype not in (np.uint8, np.int64):
        raise ValueError(f"the {part} labels are {labels.dtype} {labels.shape}, not one an image")
    lowest, highest = labels.min(), labels.max()
    if lowest < 0 or highest >= classes:
        raise ValueError(
            f"the {part} labels go from {lowest} to {highest}, and the classes from 0 to "
            f"{classes - 1}"
        )
