"""What everybody uses and may use, as tables and words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from cli.render.text import one_line, table
from core import formats

JSON = dict[str, Any]


def people(items: Sequence[JSON]) -> Table:
    """A row for each person."""
    return table(
        ("PERSON", "RUNNING", "WAITING", "SHARE", "7 DAYS", "FILES", "LIMITS"),
        (
            (
                each["owner"],
                formats.whole(each["running"]),
                formats.whole(each["queued"]),
                formats.progress(each["share"]),
                formats.duration(each["week_s"]),
                formats.size(each["stored_bytes"]),
                in_words(each["limits"]),
            )
            for each in items
        ),
    )


def everybody(limits: JSON) -> str:
    """What holds for whoever has no limit of their own."""
    return f"everybody: {in_words(limits)}"


def queue(policy: JSON) -> str:
    """What holds for a queue."""
    name = one_line(policy["queue"])
    if policy["preempts"]:
        return f"queue {name}: runs of a higher priority preempt others"
    return f"queue {name}: no run preempts another"


def in_words(limits: JSON) -> str:
    """Limits in one line."""
    return ", ".join(_parts(limits)) or "no limit"


def _parts(limits: JSON) -> Iterator[str]:
    if limits["most_running"] is not None:
        yield f"{formats.whole(limits['most_running'])} running"
    if limits["most_queued"] is not None:
        yield f"{formats.whole(limits['most_queued'])} waiting"
    if limits["device_hours_a_week"] is not None:
        yield f"{formats.exact(limits['device_hours_a_week'])} device-hours in 7 days"
    if limits["storage_bytes"] is not None:
        yield f"{formats.size(limits['storage_bytes'])} of files"
