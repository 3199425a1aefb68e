"""What runs are called together that differ by their seeds: their name without the seed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

_SEED = re.compile(r"[\s,;_·-]*[(\[]?\s*seed[\s=:_-]*\d+\s*[)\]]?\s*$", re.IGNORECASE)
"""What a submit for several seeds adds to a name, and what people write in its place."""
_LEAST = 3
"""Letters that names must have in common to be one name."""


def name_without_seed(names: Sequence[str]) -> str:
    """`grid 27` for `grid 27 (seed 0)` and `grid 27 (seed 1)`, where most are called so.

    Else it is what the names begin with, or the name that the most have.

    Args:
        names: of the runs, of which there is at least one.
    """
    counts = Counter(_SEED.sub("", name).strip() for name in names)
    [(usual, count)] = counts.most_common(1)
    if 2 * count > len(names):
        return usual or names[0]
    return _begin_of(list(counts)) or usual or names[0]


def _begin_of(names: Sequence[str]) -> str:
    """The whole words with which all names begin; empty: hardly any letter."""
    of_all = zip(*(name.split() for name in names), strict=False)
    same = takewhile(lambda words: len(set(words)) == 1, of_all)
    words = " ".join(first for first, *_ in same)
    words = words.rstrip(" ,;:_·#=([-")
    return words if len(words) >= _LEAST else ""
