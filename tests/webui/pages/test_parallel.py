"""Where the axes and the lines of parallel coordinates go."""

from __future__ import annotations

import pytest

from webui.pages.comparison import Difference
from webui.pages.parallel import MOST_AXES, parallel

RESULT = Difference("Test accuracy", ["98.00%", "99.00%", "98.50%"])


def heights(*values):
    [axis, _] = parallel([Difference("x", list(values))], RESULT).axes
    return [None if each is None else round(each, 3) for each in axis.heights]


def test_the_result_is_the_last_axis():
    axes = parallel([Difference("Epochs", ["1", "2", "3"])], RESULT).axes
    assert [axis.title for axis in axes] == ["Epochs", "Test accuracy"]
    assert [*axes[1].heights] == [0.0, 1.0, pytest.approx(0.5)]


def test_numbers_stand_by_their_size_and_far_ones_by_their_power():
    assert heights("1", "2", "5") == [0.0, 0.25, 1.0]
    assert heights("0.001", "0.1", "0.01") == [0.0, 1.0, 0.5]
    assert heights("1,000", "3,000", "2,000") == [0.0, 1.0, 0.5]


def test_names_stand_at_equal_distances_and_mixtures_are_names():
    assert heights("sgd", "adam", "sgd") == [0.0, 1.0, 0.0]
    assert heights("32, 64", "8", "16") == [0.0, 0.5, 1.0]


def test_one_value_for_all_who_have_it_is_in_the_middle():
    assert heights("0.1", "0.1", "") == [0.5, 0.5, None]


def test_a_line_breaks_where_a_run_has_no_value():
    fields = [Difference("a", ["1", "2", "3"]), Difference("b", ["1", "", "2"])]
    whole, broken, _ = parallel(fields, RESULT).lines
    assert [len(piece) for piece in whole] == [3]
    assert [[place for place, _ in piece] for piece in broken] == [[0.0], [2.0]]


def test_there_are_no_more_axes_than_fit():
    fields = [Difference(str(each), ["1", "2", "3"]) for each in range(30)]
    assert len(parallel(fields, RESULT).axes) == MOST_AXES
