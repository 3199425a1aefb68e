"""Metric samples of a run: one as an object, many as columns."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.metrics.columns import Column, pack, unpack

VALUES = ("train_loss", "learning_rate", "images_per_s")
"""What a sample measures."""
NAMES = ("step", "epoch", "batch", *VALUES)
TYPECODES = "qqqddd"
_PLACES = {name: place for place, name in enumerate(NAMES)}


@dataclass(frozen=True, slots=True)
class MetricSample:
    """A metric sample between epochs: the mean of the training loss since the sample before.

    Where an epoch or a pause cuts a sample short, it is the mean over as many batches as before.
    """

    step: int
    """Batches since the run began, over all epochs; the first is 1."""
    attempt: int
    epoch: int
    batch: int
    train_loss: float
    learning_rate: float
    images_per_s: float


class Samples:
    """Samples of one attempt in columns, by their steps."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Sequence[Column] = ()) -> None:
        """Take columns of one length, in the order of `NAMES`; none: no samples."""
        self._columns = list(columns) or [array(typecode) for typecode in TYPECODES]

    @classmethod
    def unpack(cls, data: bytes) -> Samples:
        """The samples of a segment."""
        return cls(unpack(data, TYPECODES))

    def pack(self) -> bytes:
        """The bytes of a segment."""
        return pack(self._columns)

    def add(self, *values: float) -> None:
        """Append one sample: its values, in the order of `NAMES`."""
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)

    def extend(self, columns: Sequence[Sequence[float]]) -> None:
        """Append samples: columns of one length, in the order of `NAMES`."""
        for column, values in zip(self._columns, columns, strict=True):
            column.extend(values)

    @property
    def step(self) -> Column:
        """The steps, ascending."""
        return self._columns[0]

    def column(self, name: str) -> Column:
        """A column of `NAMES`."""
        return self._columns[_PLACES[name]]

    def count_until(self, step: int) -> int:
        """How many are of this step or an earlier one."""
        return bisect_right(self.step, step)

    def rows(self, attempt: int) -> Iterator[MetricSample]:
        """Each sample as an object."""
        for step, epoch, batch, *values in zip(*self._columns, strict=True):
            yield MetricSample(step, attempt, epoch, batch, *values)

    def __len__(self) -> int:
        return len(self.step)

    def __getitem__(self, part: slice) -> Samples:
        return Samples([column[part] for column in self._columns])

    def __add__(self, later: Samples) -> Samples:
        pairs = zip(self._columns, later._columns, strict=True)
        return Samples([mine + its for mine, its in pairs])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Samples) and self._columns == other._columns

    __hash__ = None  # type: ignore[assignment]
