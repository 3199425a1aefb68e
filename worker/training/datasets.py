"""Data sets as tensors: the whole set, as the bytes that its files hold, mapped into memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.catalogue import DATASETS, Dataset
from core.errors import DataUnavailable


@dataclass(frozen=True, slots=True)
class Images:
    """Part of a data set: pixels uint8 (count, channels, size, size), labels int64 (count,)."""

    pixels: Tensor
    labels: Tensor
    largest_pixel: int

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Images:
        """The same images on a device."""
        return Images(self.pixels.to(device), self.labels.to(device), self.largest_pixel)

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Images as float32 in [0, 1], channels last, and their labels."""
        chosen = self.pixels[indices]
        images = chosen.to(torch.float32, memory_format=torch.channels_last)
        return images.div_(self.largest_pixel), self.labels[indices]


def is_present(name: str, folder: Path) -> bool:
    """Whether a data set lies in the data folder. It is put there whole or not at all."""
    return (folder / DATASETS[name].folder).is_dir()


@cache
def load(name: str, folder: Path) -> tuple[Images, Images]:
    """Read a data set from the data folder, once in a process.

    Returns:
        The images to train on, and those to test on.

    Raises:
        DataUnavailable: it is not there, or its files are damaged.
    """
    dataset = DATASETS[name]
    place = folder / DATASETS[name].folder
    if name == "digits":
        parts = [
            (
                np.load(place / f"{part}-images.npy", mmap_mode="c"),
                np.load(place / f"{part}-labels.npy", mmap_mode="c"),
            )
            for part in ("train", "test")
        ]
    else:
        parts = [
            (
                read_idx(place / f"{part}-images-idx3-ubyte"),
                read_idx(place / f"{part}-labels-idx1-ubyte"),
            )
            for part in ("train", "t10k")
        ]
    train, test = (_images(dataset, pixels, labels) for pixels, labels in parts)
    if (len(train), len(test)) != (dataset.train_count, dataset.test_count):
        raise DataUnavailable(
            f"The files of {dataset.title} in {place} are damaged: they hold {len(train)} and "
            f"{len(test)} images. Delete that folder and fetch the data set again."
        )
    return train, test


def read_idx(path: Path) -> np.ndarray:
    """Map an IDX file of bytes: a four-byte header, the sizes as big-endian int32, the values.

    The bytes stay on the disk until they are looked at; what changes them changes no file.
    """
    with path.open("rb") as file:
        header = file.read(4)
        sizes = file.read(4 * header[3]) if len(header) == 4 else b""
    whole = sizes if len(sizes) % 4 == 0 else b""
    shape = tuple(int(size) for size in np.frombuffer(whole, dtype=">i4"))
    begin = len(header) + len(sizes)
    if not shape or begin + math.prod(shape) != path.stat().st_size:
        raise DataUnavailable(f"{path} is damaged. Delete its folder and fetch the data set again.")
    return np.memmap(path, dtype=np.uint8, mode="c", offset=begin, shape=shape)


def _images(dataset: Dataset, pixels: np.ndarray, labels: np.ndarray) -> Images:
    shaped = torch.from_numpy(pixels).reshape(-1, dataset.channels, dataset.size, dataset.size)
    return Images(shaped, torch.from_numpy(labels).to(torch.int64), dataset.largest_pixel)
