"""Tables of what takes space, and of what was removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from cli.render.text import table, written
from core import formats

JSON = dict[str, Any]


def cleaned(answer: JSON) -> Table:
    """What was removed, or would be."""
    title = "WOULD BE REMOVED" if answer["dry_run"] else "REMOVED"
    return table(
        (title, "RUNS", "COUNT", "SIZE"),
        (
            (
                each["kind"],
                formats.whole(each["runs"]) if each["runs"] else None,
                formats.whole(each["count"]),
                formats.size(each["bytes"]),
            )
            for each in answer["items"]
        ),
    )


def kinds(items: Sequence[JSON]) -> Table:
    """What each kind takes."""
    return table(
        ("KIND", "COUNT", "SIZE"),
        (
            (each["kind"], written(formats.whole, each["count"]), formats.size(each["bytes"]))
            for each in items
        ),
    )


def largest(items: Sequence[JSON]) -> Table:
    """The runs that take the most."""
    return table(
        ("ID", "STATE", "NAME", "FILES", "ROWS"),
        (
            (
                each["id"],
                "deleted" if each["deleted_at"] else each["state"],
                each["name"],
                formats.size(each["files"]),
                formats.size(each["rows"]),
            )
            for each in items
        ),
    )
