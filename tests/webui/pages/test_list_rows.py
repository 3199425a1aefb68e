"""The rows of a list, in the parts that a browser draws or leaves alone."""

from __future__ import annotations

from collections.abc import Iterable

from webui.pages.list_rows import STRETCH, stretches


def stretches_of(numbers: Iterable[int]) -> list[list[int]]:
    return stretches(list(numbers), int)


def test_the_parts_hold_every_row_once_and_in_its_order():
    rows = list(range(507, 0, -1))

    parts = stretches_of(rows)

    assert [row for part in parts for row in part] == rows
    assert {len(part) for part in parts[1:-1]} == {STRETCH}


def test_a_new_run_or_one_that_goes_changes_one_part_alone():
    before = stretches_of(range(110, 0, -1))

    grown = stretches_of(range(111, 0, -1))
    shrunk = stretches_of(each for each in range(110, 0, -1) if each != 55)

    assert grown[1:] == before[1:]
    assert [len(part) for part in shrunk if part not in before] == [STRETCH - 1]


def test_no_rows_are_no_parts():
    assert stretches_of([]) == []
