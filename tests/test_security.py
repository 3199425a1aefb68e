"""The table of what keeps Trainyard safe names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/security.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_each_test_that_the_table_names_is_there():
    missing = [
        f"{path}::{name}"
        for path, name in NAMED.findall(PAGE.read_text())
        if not (ROOT / path).exists() or f"def {name}" not in (ROOT / path).read_text()
    ]

    assert missing == []


def test_each_section_of_the_table_has_a_test_or_a_reason():
    table = PAGE.read_text().partition("## The table")[2]
    rows = [row.split(" | ")[-1] for row in table.splitlines() if row.startswith("| V")]

    assert len(rows) > 40
    assert [row for row in rows if not NAMED.search(row) and "does not apply" not in row] == []
