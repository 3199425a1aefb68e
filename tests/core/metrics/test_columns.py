"""Columns come back from their bytes as they were, to the last bit."""

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.metrics.columns import FORMAT_VERSION, pack, unpack

WHOLE = st.integers(-(2**61), 2**61)  # neighbors differ by less than 64 bits hold


@given(st.lists(st.tuples(WHOLE, WHOLE, st.floats(), st.floats())))
def test_columns_come_back_as_they_were(rows):
    columns = [array(code, [row[n] for row in rows]) for n, code in enumerate("qqdd")]

    back = unpack(pack(columns), "qqdd")

    assert [each.tobytes() for each in back] == [each.tobytes() for each in columns]


def test_many_samples_take_a_fraction_of_their_plain_size():
    steps = array("q", range(1_000_000, 1_001_024))
    losses = array("d", (math.exp(-step / 1e6) for step in steps))

    assert len(pack([steps, losses])) < 1024 * 16 / 2


def test_the_bytes_are_those_that_are_in_databases():
    """Rows are kept for years: what this writes may change only with a new version."""
    data = bytes.fromhex("010002000000" + "0702" + 14 * "00")  # the header, 7, 9 - 7

    assert pack([array("q", [7, 9])]) == data
    assert unpack(data, "q") == [array("q", [7, 9])]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes([FORMAT_VERSION + 1, 0, 1, 0, 0, 0]) + bytes(8), "format 2"),
        (bytes([FORMAT_VERSION, 0, 2, 0, 0, 0]) + bytes(8), "another length"),
    ],
)
def test_bytes_of_a_later_version_or_of_another_length_are_refused(data, reason):
    with pytest.raises(ValueError, match=reason):
        unpack(data, "q")
