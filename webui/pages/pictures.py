"""Pictures of test images: those that a run keeps with its evaluation, and all others of a dataset.

A run keeps the pictures of its most confident errors. All test images of a dataset are one file,
which a worker that has the dataset makes once and which serves every run.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import derived
from core.datasets.builtin import DATASETS
from core.datasets.info import DatasetInfo
from webui.pages import wanted
from webui.pages.wanted import Wanted

GRAY, COLOR = 0, 2
"""Kinds of PNG files."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of some test images."""

    by_index: Mapping[int, str]
    """PNGs, in Base64; some may be missing."""
    wanted: Wanted | None
    """What the others are waited for; None: there is nothing to wait for."""


def of(dataset: str, indices: Sequence[int], evaluations: Iterable[Mapping[str, Any]]) -> Pictures:
    """The pictures of some images of a dataset's test set.

    Args:
        dataset: its name; of one that is not known here there are the kept pictures alone.
        indices: places in the test set.
        evaluations: contents of evaluations that may hold some of them.
    """
    kept = {each["index"]: each["image"] for one in evaluations for each in one["mistakes"]}
    found = {index: kept[index] for index in indices if index in kept}
    missing = [index for index in indices if index not in found]
    if not missing or dataset not in DATASETS:
        return Pictures(found, None)
    file = wanted.want(derived.test_images(dataset))
    read = pngs(DATASETS[dataset], file, missing)
    return Pictures(
        found | {index: base64.b64encode(png).decode() for index, png in read.items()},
        None if read else file,
    )


def pngs(dataset: DatasetInfo, file: Wanted, indices: Sequence[int]) -> dict[int, bytes]:
    """Images of the file of a dataset's test images; none where it is not there.

    Raises:
        Unavailable: the store is away.
    """
    size = dataset.size**2 * dataset.channels
    opened = wanted.opened(file)
    if opened is None:
        return {}
    with opened:
        found = {}
        for index in sorted(indices):
            opened.seek(index * size)
            pixels = opened.read(size)
            if len(pixels) == size:
                found[index] = png(pixels, dataset.size, dataset.channels)
        return found


def png(pixels: bytes, size: int, channels: int) -> bytes:
    """A square picture as PNG: the web has no library for pictures, and needs none for this.

    Args:
        pixels: size x size x channels, row by row.
        size: pixels along a side.
        channels: 1 for gray, 3 for color.
    """
    width = size * channels
    rows = (b"\0" + pixels[start : start + width] for start in range(0, len(pixels), width))
    kind = COLOR if channels == 3 else GRAY
    header = struct.pack(">IIBBBBB", size, size, 8, kind, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
