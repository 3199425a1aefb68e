"""The table of what keeps Trainyard safe has every requirement, and names tests that are there."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/security.md"
TOP, _, TABLE = PAGE.read_text().partition("## The table")
STATES = ("met", "by choice", "not met", "does not apply")
ROW = re.compile(r"^\| (\d+(?:\.\d+){2}) \| ([^|]+) \| ([^|]+) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
FILE = re.compile(r"`([\w./-]+\.(?:py|toml|lock|json|html)|\.dockerignore)`")
LINK = re.compile(r"\]\(([\w./-]*)(#[\w-]+)?\)")

LAST = """
1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1
4.3:2 4.4:4 5.1:1 5.2:3 5.3:2 5.4:3 6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2
7.4:5 7.5:2 7.6:2 8.1:2 8.2:3 8.3:1 8.4:1 9.1:3 9.2:4 10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2
10.7:3 11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1 12.1:3 12.2:2 12.3:4 13.1:1 13.2:5 13.3:2 13.4:5
14.1:2 14.2:4 14.3:3 15.1:3 15.2:3 15.3:7 16.1:1 16.2:5 16.3:4 16.4:3 16.5:3 17.1:1 17.2:4 17.3:2
"""
"""The last requirement of level 1 or 2 in each section of ASVS 5.0; level 3 comes after these."""
NUMBERS = [
    f"{section}.{number}"
    for section, last in (each.split(":") for each in LAST.split())
    for number in range(1, int(last) + 1)
]


@cache
def names_in(path: str) -> set[str]:
    """The names of the tests in a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


def test_every_requirement_of_level_1_and_2_is_there_once_and_in_its_order():
    assert [number for number, *_ in ROW.findall(TABLE)] == NUMBERS
    assert len(NUMBERS) == 253


def test_every_row_of_the_page_is_read_here():
    rows = [each for each in TABLE.splitlines() if re.match(r"\| \d", each)]

    assert len(rows) == len(ROW.findall(TABLE))


def test_each_test_that_the_table_names_is_there():
    missing = [
        f"{path}::{name}"
        for path, name in NAMED.findall(PAGE.read_text())
        if not (ROOT / path).exists() or (name and name not in names_in(path))
    ]

    assert missing == []


def test_each_file_that_the_table_names_is_there():
    assert [each for each in FILE.findall(TABLE) if not (ROOT / each).exists()] == []


@pytest.mark.parametrize("state", STATES)
def test_each_row_shows_what_its_state_needs(state):
    """What is met names a test, a file or a page; what is not, where it is said; all else, why."""
    rows = {number: by for number, _, found, by in ROW.findall(TABLE) if found == state}
    shown = {
        "met": lambda by: NAMED.search(by) or FILE.search(by) or LINK.search(by),
        "by choice": lambda by: "(#what-is-open)" in by,
        "not met": lambda by: "(#what-is-open)" in by,
        "does not apply": str.strip,
    }[state]

    assert rows
    assert {number: by for number, by in rows.items() if not shown(by)} == {}


def test_each_row_has_one_of_the_states():
    assert {state for _, _, state, _ in ROW.findall(TABLE)} == set(STATES)


def test_the_page_counts_what_is_met():
    counted = {
        state: int(number)
        for number, state in re.findall(
            r"\*\*(\d+) (met|by choice|not met|does not apply)\*\*", TOP
        )
    }

    assert counted == Counter(state for _, _, state, _ in ROW.findall(TABLE))


def test_what_is_not_met_is_named_at_the_top():
    words = PAGE.read_text().partition("## What is open")[2].partition("\n## ")[0]
    named = set(re.findall(r"\d+\.\d+\.\d+", words))
    open_ones = {
        number for number, _, state, _ in ROW.findall(TABLE) if state in ("by choice", "not met")
    }

    assert open_ones <= named


def test_each_part_of_the_page_that_a_row_leads_to_is_there():
    headings = re.findall(r"^#+ (.+)$", PAGE.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w-]", "", each.lower().replace(" ", "-")) for each in headings}
    led_to = {anchor for path, anchor in LINK.findall(PAGE.read_text()) if anchor and not path}

    assert {each[1:] for each in led_to} <= anchors
