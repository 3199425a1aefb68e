"""What can be said of a series of numbers: parts of it, and how it changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

Numbers = Sequence[float]


def last_part(values: Numbers, share: float) -> Numbers:
    """The last values, a share of all; at least one."""
    return values[-max(1, round(len(values) * share)) :]


def mean_of_last(values: Numbers, share: float) -> float:
    """The mean of the last values, a share of all."""
    return fmean(last_part(values, share))


def falls(values: Numbers) -> float:
    """Which share of the steps from one value to the next lead down; 0 where there are none."""
    steps = [later < earlier for earlier, later in pairwise(values)]
    return fmean(steps) if steps else 0.0


def largest_rise(values: Numbers) -> float:
    """The largest step up from one value to the next; 0 where there is none."""
    return max([0.0, *(later - earlier for earlier, later in pairwise(values))])


def place_of_least(values: Numbers) -> int:
    """Where the least of some values is, from 0."""
    return min(range(len(values)), key=values.__getitem__)


def first_at_least(values: Numbers, bound: float) -> int:
    """Where the first value is that reaches a bound, from 0; the last where none does."""
    return next((place for place, each in enumerate(values) if each >= bound), len(values) - 1)


def first_at_most(values: Numbers, bound: float) -> int:
    """Where the first value is that is no larger than a bound, from 0; the last where none is."""
    return next((place for place, each in enumerate(values) if each <= bound), len(values) - 1)


def straightness(values: Numbers) -> float:
    """How much of the fall of a series lies in its second half: 0.5 is a straight line down.

    Returns:
        From 0 to 1; 0 where it does not fall as a whole.
    """
    fall = values[0] - values[-1]
    if fall <= 0:
        return 0.0
    return min(1.0, max(0.0, (values[len(values) // 2] - values[-1]) / fall))


def tidy(value: float) -> float:
    """A number to one significant digit, which is as exact as a learning rate is known."""
    return round(value, -math.floor(math.log10(abs(value)))) if value else 0.0
