"""Columns of numbers as bytes: a segment of samples or a row of buckets, as the database holds it.

Little-endian and without numpy, which the web does not load. Whole numbers are kept as the
differences between neighbors, and the bytes of a column by their place in the number (all the
lowest, then all the next), because zlib then finds what repeats: about a third of the plain size.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

Column: TypeAlias = "array[Any]"  # an array takes no type at run time before Python 3.12
"""Of typecode `q` (whole numbers of 64 bits) or `d` (floats of 64 bits)."""

FORMAT_VERSION = 1
"""Rows keep their bytes for years: a later version must read every earlier one."""

_HEADER = struct.Struct("<BBI")  # version, whether it is compressed, numbers in a column
_WIDTH = 8
_COMPRESSION = 1  # the fastest; level 9 makes it 1% smaller
_SHORTEST_COMPRESSED = 256


def pack(columns: Sequence[Column]) -> bytes:
    """Columns of one length as bytes."""
    body = b"".join(_packed(column) for column in columns)
    compressed = zlib.compress(body, _COMPRESSION) if len(body) >= _SHORTEST_COMPRESSED else body
    pays = len(compressed) < len(body)
    header = _HEADER.pack(FORMAT_VERSION, pays, len(columns[0]))
    return header + (compressed if pays else body)


def unpack(data: bytes, typecodes: str) -> list[Column]:
    """The columns that `pack` wrote, of these typecodes.

    Raises:
        ValueError: the bytes are of a later version, or are damaged.
    """
    version, is_compressed, count = _HEADER.unpack_from(data)
    if version != FORMAT_VERSION:
        raise ValueError(f"metrics of format {version}; this version reads {FORMAT_VERSION}")
    body = data[_HEADER.size :]
    body = zlib.decompress(body) if is_compressed else body
    size = count * _WIDTH
    if len(body) != size * len(typecodes):
        raise ValueError("metrics of another length than their header says")
    return [
        _unpacked(body[place * size : (place + 1) * size], typecode)
        for place, typecode in enumerate(typecodes)
    ]


def _packed(column: Column) -> bytes:
    if column.typecode == "q" and column:
        column = array("q", [column[0], *(later - earlier for earlier, later in pairwise(column))])
    plain = _swapped(column).tobytes()
    return b"".join(plain[place::_WIDTH] for place in range(_WIDTH))


def _unpacked(data: bytes, typecode: str) -> Column:
    count = len(data) // _WIDTH
    plain = bytearray(len(data))
    for place in range(_WIDTH):
        plain[place::_WIDTH] = data[place * count : (place + 1) * count]
    column: Column = array(typecode)
    column.frombytes(bytes(plain))
    column = _swapped(column)
    return array("q", accumulate(column)) if typecode == "q" else column


def _swapped(column: Column) -> Column:
    """A column as it is, or, on a big-endian machine, with its bytes in the stored order."""
    if sys.byteorder == "little":
        return column
    swapped = column[:]
    swapped.byteswap()
    return swapped
