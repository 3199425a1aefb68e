"""Intervals and tests, against published values."""

from __future__ import annotations

import random
import statistics

import pytest

from core.statistics import (
    Interval,
    holm,
    least_permutation,
    mcnemar,
    mean_interval,
    permutation,
    share_interval,
)


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe (1998), table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_of_a_share_is_wilsons(count, of, low, high):
    assert share_interval(count, of) == Interval(
        pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5)
    )


def test_an_interval_of_everything_ends_at_one():
    assert share_interval(20, 20).high == 1


def test_the_interval_of_a_mean_is_wider_than_the_normal_one_for_few():
    few = mean_interval([1.0, 2.0, 3.0])

    assert (few.low, few.high) == (pytest.approx(-0.484, abs=1e-3), pytest.approx(4.484, abs=1e-3))
    values = [random.Random(1).gauss(0, 1) for _ in range(400)]
    many = mean_interval(values)
    expected = 2 * 1.966 * statistics.stdev(values) / 20
    assert many.high - many.low == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("first", "second", "chance"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 6, 2 / 64),
        (61, 40, 0.0460),
        (1, 9, 22 / 1024),
        (5000, 4000, 0.0),
    ],
)
def test_mcnemar_is_exact_and_does_not_mind_the_order(first, second, chance):
    assert mcnemar(first, second) == pytest.approx(chance, abs=1e-4)
    assert mcnemar(second, first) == mcnemar(first, second)


def test_the_chance_of_groups_that_lie_apart_is_that_of_their_two_orders():
    assert permutation([1, 2, 3], [4, 5, 6]) == 2 / 20
    assert permutation([1, 2, 3, 4, 5], [11, 12, 13, 14, 15]) == 2 / 252


def test_groups_of_the_same_values_do_not_differ():
    assert permutation([1, 1, 1], [1, 1]) == 1


def test_many_seeds_are_tried_by_a_sample_of_the_ways_which_is_always_the_same():
    source = random.Random(2)
    first, second = ([source.gauss(mean, 1) for _ in range(14)] for mean in (0, 3))

    assert 0 < permutation(first, second) < 0.001
    assert permutation(first, second) == permutation(first, second)


@pytest.mark.parametrize("sizes", [(2, 2), (3, 4), (4, 4), (1, 5)])
def test_the_smallest_chance_of_two_groups_is_known_beforehand(sizes):
    first, second = range(sizes[0]), range(100, 100 + sizes[1])

    assert least_permutation(*sizes) == pytest.approx(permutation(first, second))


def test_of_tests_that_were_picked_all_count():
    assert holm([0.001, 0.004], 10) == pytest.approx([0.01, 0.036])


def test_several_chances_are_raised_and_keep_their_order():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.02]) == [0.02]
