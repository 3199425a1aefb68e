"""Buckets say of their samples what can be worked out from these again."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.metrics.buckets import Buckets, groups, groups_by_sample
from core.metrics.samples import VALUES, Samples


def samples_of(losses):
    count = len(losses)
    return Samples(
        [
            array("q", range(10, 10 * count + 10, 10)),
            array("q", [1]) * count,
            array("q", range(count)),
            array("d", losses),
            array("d", [0.1]) * count,
            array("d", range(count)),
        ]
    )


LOSSES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200)


@given(LOSSES, st.integers(1, 9), st.integers(1, 9))
def test_summing_up_twice_is_summing_up_once(losses, first, second):
    samples = samples_of(losses)

    buckets = Buckets.of(samples).merged(groups(len(losses), first))
    buckets = buckets.merged(groups(len(buckets), second))

    size = first * second
    parts = [losses[n : n + size] for n in range(0, len(losses), size)]
    assert list(buckets.column("train_loss", "min")) == [min(part) for part in parts]
    assert list(buckets.column("train_loss", "max")) == [max(part) for part in parts]
    assert list(buckets.column("train_loss", "last")) == [part[-1] for part in parts]
    means = [sum(part) / len(part) for part in parts]
    assert list(buckets.column("train_loss", "mean")) == pytest.approx(means, abs=1e-6)
    assert list(buckets.count) == [len(part) for part in parts]
    assert buckets.step[-1] == samples.step[-1]


@given(st.lists(st.integers(1, 100), min_size=1, max_size=100), st.integers(1, 500))
def test_groups_by_sample_take_each_bucket_once_and_are_as_few_as_asked(counts, size):
    bounds = groups_by_sample(counts, size)

    assert [place for a, b in bounds for place in range(a, b)] == list(range(len(counts)))
    assert all(a < b for a, b in bounds)
    assert len(bounds) <= -(-sum(counts) // size)


@given(LOSSES)
def test_a_row_of_buckets_survives_its_bytes(losses):
    buckets = Buckets.of(samples_of(losses)).merged(groups(len(losses), 3))

    assert Buckets.unpack(buckets.pack()) == buckets


def test_nothing_is_summed_up_to_nothing():
    for value in VALUES:
        assert list(Buckets.none().merged([]).column(value, "mean")) == []
