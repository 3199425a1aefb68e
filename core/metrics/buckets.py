"""Buckets: consecutive samples summed up by minimum, maximum, last and mean of each value."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import mul

from core.metrics.columns import Column, pack, unpack
from core.metrics.samples import VALUES, Samples

SIZES = (64, 1024, 16384)
"""Samples in a bucket of each level that is stored."""
ROW = 64
"""Buckets in a row of the table."""

STATISTICS = ("min", "max", "last", "mean")
_KEYS = [(value, statistic) for value in VALUES for statistic in STATISTICS]
_TYPECODES = "qq" + "d" * len(_KEYS)

Bounds = Sequence[tuple[int, int]]
"""From where to before where each of some groups reaches; none is empty."""


class Buckets:
    """Buckets in columns, in the order of their steps."""

    __slots__ = ("_statistics", "count", "step")

    def __init__(
        self, step: Column, count: Column, statistics: dict[tuple[str, str], Column]
    ) -> None:
        """Take columns of one length.

        Args:
            step: the step of the last sample in each.
            count: samples in each.
            statistics: a column for each value and statistic.
        """
        self.step = step
        self.count = count
        self._statistics = statistics

    @classmethod
    def none(cls) -> Buckets:
        """No buckets."""
        return cls(array("q"), array("q"), {key: array("d") for key in _KEYS})

    @classmethod
    def of(cls, samples: Samples) -> Buckets:
        """A bucket for each sample."""
        statistics = {(value, name): samples.column(value) for value, name in _KEYS}
        return cls(samples.step, array("q", [1]) * len(samples), statistics)

    @classmethod
    def unpack(cls, data: bytes) -> Buckets:
        """The buckets of a row."""
        step, count, *columns = unpack(data, _TYPECODES)
        return cls(step, count, dict(zip(_KEYS, columns, strict=True)))

    def pack(self) -> bytes:
        """The bytes of a row."""
        return pack([self.step, self.count, *(self._statistics[key] for key in _KEYS)])

    def column(self, value: str, statistic: str) -> Column:
        """A statistic of a value, for each bucket."""
        return self._statistics[value, statistic]

    def merged(self, bounds: Bounds, values: Iterable[str] = VALUES) -> Buckets:
        """One bucket for each group of neighbors. Of other values there are no columns."""
        counts = array("q", [sum(self.count[a:b]) for a, b in bounds])
        statistics: dict[tuple[str, str], Column] = {}
        for value in values:
            lowest, highest, last, mean = (self.column(value, name) for name in STATISTICS)
            totals = list(map(mul, mean, self.count))
            statistics |= {
                (value, "min"): array("d", [min(lowest[a:b]) for a, b in bounds]),
                (value, "max"): array("d", [max(highest[a:b]) for a, b in bounds]),
                (value, "last"): array("d", [last[b - 1] for _, b in bounds]),
                (value, "mean"): array(
                    "d",
                    [
                        sum(totals[a:b]) / count
                        for (a, b), count in zip(bounds, counts, strict=True)
                    ],
                ),
            }
        return Buckets(array("q", [self.step[b - 1] for _, b in bounds]), counts, statistics)

    def __len__(self) -> int:
        return len(self.step)

    def __getitem__(self, part: slice) -> Buckets:
        statistics = {key: column[part] for key, column in self._statistics.items()}
        return Buckets(self.step[part], self.count[part], statistics)

    def __add__(self, later: Buckets) -> Buckets:
        statistics = {key: mine + later._statistics[key] for key, mine in self._statistics.items()}
        return Buckets(self.step + later.step, self.count + later.count, statistics)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Buckets) and self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]

    def _parts(self) -> tuple[Column, Column, dict[tuple[str, str], Column]]:
        return self.step, self.count, self._statistics


def groups(count: int, size: int) -> Bounds:
    """The bounds of groups of `size` neighbors each; the last may be smaller."""
    return [(start, min(start + size, count)) for start in range(0, count, size)]


def groups_by_sample(counts: Sequence[int], size: int) -> Bounds:
    """The bounds of groups of buckets that hold about `size` samples each.

    A bucket belongs to the group in which its first sample lies, so `size` samples never make more
    than one group, and a bucket is never divided.
    """
    starts: list[int] = []
    position, group = 0, -1
    for place, count in enumerate(counts):
        if position // size != group:
            group = position // size
            starts.append(place)
        position += count
    return list(pairwise([*starts, len(counts)]))
