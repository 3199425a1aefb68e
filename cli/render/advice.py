"""What the coach says about a run, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.characters import printable

JSON = dict[str, Any]

NOTHING = "The coach sees nothing to improve in this run, or it is too early to say."


def advices(items: Sequence[JSON], server: str) -> str:
    """What is seen, what to do, why, and how to start the corrected clone, for each advice.

    Args:
        items: as the API gives them.
        server: the address of the server, before the paths of its pages.
    """
    return "\n\n".join(_advice(each, server) for each in items) or NOTHING


def _advice(each: JSON, server: str) -> str:
    lines = [
        each["title"]["text"],
        *(f"  {each[part]['text']}" for part in ("seen", "action", "why")),
        *([f"  Clone with this change: {server}{each['clone']}"] if each["clone"] else []),
    ]
    return printable("\n".join(lines))
