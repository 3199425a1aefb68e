"""What a network takes each image of a test set for, small enough to be kept with every run."""

from __future__ import annotations

import base64
import sys
import zlib
from array import array
from collections.abc import Sequence


def pack(labels: Sequence[int]) -> str:
    """Places in the list of classes, below 65,536, as Base64 of zlib of little-endian uint16."""
    values = array("H", labels)
    if sys.byteorder == "big":
        values.byteswap()
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode()


SURE = 65_535
"""A probability of 1, as a whole number that can be packed."""


def unpack(text: str) -> Sequence[int]:
    """The places that were packed."""
    values = array("H", zlib.decompress(base64.b64decode(text)))
    if sys.byteorder == "big":
        values.byteswap()
    return values
