"""A comparison of runs as a table: a row for what differs or was measured, a column for a run."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from cli import comparison
from cli.comparison import Compared
from cli.render.text import table


def side_by_side(compared: Sequence[Compared]) -> Table:
    """What differs between the runs, and below it what was measured."""
    rows = comparison.differences([each.job["spec"] for each in compared])
    rows += comparison.measurements(compared)
    return table(
        ("", *(f"{each.job['id']} {each.job['name']}" for each in compared)),
        ((title, *values) for title, values in rows),
    )
