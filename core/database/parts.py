"""Many keys in parts: a statement takes only so many values (SQLite 32,766, PostgreSQL 65,535)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

AT_ONCE = 10_000


def parts(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    """Keys in as few parts as statements are needed to ask for them; none where there are none."""
    for first in range(0, len(keys), AT_ONCE):
        yield keys[first : first + AT_ONCE]
