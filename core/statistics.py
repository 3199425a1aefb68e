"""How far a measured accuracy can be trusted, and whether two differ by more than chance.

Exact where exactness is cheap: on a few images or seeds the usual approximations are wrong.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

ConfidenceKind = Literal["over", "right", "under"]

LEVEL = 0.05
"""Below this a difference counts as one."""

_Z = statistics.NormalDist().inv_cdf(1 - LEVEL / 2)
# quantiles of Student's t for 95%, by degrees of freedom from 1
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_MOST_SPLITS = 20_000


@dataclass(frozen=True, slots=True)
class Interval:
    """From where to where, with 95% confidence."""

    low: float
    high: float


def share_interval(count: int, of: int) -> Interval:
    """Where the true share lies, by a sample: Wilson, "Probable inference" (1927).

    Args:
        count: what was found.
        of: how many were looked at; above 0.
    """
    share = count / of
    spread = _Z * math.sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2))
    middle = share + _Z**2 / (2 * of)
    shrink = 1 + _Z**2 / of
    return Interval(max(0.0, (middle - spread) / shrink), min(1.0, (middle + spread) / shrink))


def confidence_kind(confidence: float, accuracy: float, count: int) -> ConfidenceKind:
    """Whether a network is surer than it is right, by more than chance explains.

    Args:
        confidence: the mean of all its predictions.
        accuracy: which share of them is right.
        count: how many there are.
    """
    interval = share_interval(round(accuracy * count), count)
    if interval.low <= confidence <= interval.high:
        return "right"
    return "over" if confidence > accuracy else "under"


def mean_interval(values: Sequence[float]) -> Interval:
    """Where the true mean lies, by at least two values: Student's t."""
    freedom = len(values) - 1
    quantile = _T[freedom - 1] if freedom <= len(_T) else _Z * (1 + (1 + _Z**2) / (4 * freedom))
    spread = quantile * statistics.stdev(values) / math.sqrt(len(values))
    mean = statistics.fmean(values)
    return Interval(mean - spread, mean + spread)


def mcnemar(only_first: int, only_second: int) -> float:
    """The chance of so uneven a split, where two networks are equally good.

    McNemar (1947), exact: images that both get right, or both get wrong, say nothing.

    Args:
        only_first: images that only the first gets right.
        only_second: images that only the second gets right.
    """
    both = only_first + only_second
    ways = tail = 1  # of no win, and of as many as were counted so far: whole numbers, so exact
    for wins in range(min(only_first, only_second)):
        ways = ways * (both - wins) // (wins + 1)
        tail += ways
    return min(1.0, float(2 * tail / 2**both))


def permutation(first: Sequence[float], second: Sequence[float]) -> float:
    """The chance that the means of two groups differ so much, where the groups mean nothing.

    Fisher, "The design of experiments" (1935): over every way to deal the values into two groups
    of these sizes, or over a sample of the ways where they are too many.
    """
    values = [*first, *second]
    observed = abs(statistics.fmean(first) - statistics.fmean(second))
    splits = math.comb(len(values), len(first))
    chosen = (
        combinations(range(len(values)), len(first))
        if splits <= _MOST_SPLITS
        else _sampled(len(values), len(first))
    )
    total = sum(values)
    # the split that was observed is one of the sample: a chance is never 0
    as_far = tried = 0 if splits <= _MOST_SPLITS else 1
    for places in chosen:
        part = sum(values[place] for place in places)
        means = part / len(first) - (total - part) / len(second)
        as_far += abs(means) >= observed - 1e-12
        tried += 1
    return as_far / tried


def least_permutation(first: int, second: int) -> float:
    """The smallest chance that `permutation` can give to groups of these sizes."""
    return (2 if first == second else 1) / math.comb(first + second, first)


def _sampled(count: int, chosen: int) -> list[list[int]]:
    source = random.Random(0)
    return [source.sample(range(count), chosen) for _ in range(_MOST_SPLITS)]


def holm(chances: Sequence[float], count: int | None = None) -> list[float]:
    """Chances of several tests, each raised so that together they err in one of 20 at most.

    Holm, "A simple sequentially rejective multiple test procedure" (1979).

    Args:
        chances: of the tests that were made.
        count: of all that these were picked from, where they were picked by what they compare.
    """
    count = len(chances) if count is None else count
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    raised = [0.0] * len(chances)
    least = 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, chances[place] * (count - rank)))
        raised[place] = least
    return raised
