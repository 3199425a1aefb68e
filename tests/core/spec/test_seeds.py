"""Several seeds as people write them."""

import pytest

from core.spec import seeds
from core.spec.validation import WrongValue


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-4", [0, 1, 2, 3, 4]),
        ("0,1,2", [0, 1, 2]),
        (" 7 , 1 – 3 ", [7, 1, 2, 3]),
        ("5", [5]),
        ("1, 1, 0-2", [1, 0, 2]),
        ("", []),
        ("0-49", list(range(50))),
    ],
)
def test_seeds_are_read_as_people_write_them_each_once(text, expected):
    assert seeds.read(seeds.parts(text)) == expected


@pytest.mark.parametrize("text", ["x", "4-0", "-1", "1.5", "0-4-8", "99999999999", "0-99999999999"])
def test_what_is_no_seed_is_refused(text):
    with pytest.raises(WrongValue):
        seeds.read(seeds.parts(text))


@pytest.mark.parametrize("text", ["0-50", "0-2000000000", "0-40, 50-60"])
def test_more_runs_than_one_submit_may_make_are_refused(text):
    with pytest.raises(WrongValue, match="at most 50"):
        seeds.read(seeds.parts(text))


def test_numbers_of_a_program_are_taken_and_truth_is_none():
    assert seeds.read([3, "4-5"]) == [3, 4, 5]
    with pytest.raises(WrongValue):
        seeds.read([True])
