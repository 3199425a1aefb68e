"""What templates write values with: the formats of core, and what only a page needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from core import formats
from core.formats import duration, instant
from webui.forms.describing import lowercase_title


def place(status: Mapping[str, Any]) -> str:
    """Where a queued run is in the line, in the few words that a list has room for.

    Args:
        status: the run's `queue_status`, as the API gives it.
    """
    position, eta_s = status["position"], status["eta_s"]
    if status["is_stuck"]:
        return "no worker for it"
    if eta_s == 0:
        return "about to start"
    if position is None:
        return str(status["reason"]) if eta_s is None else f"next try in {duration(eta_s)}"
    return "next in line" if position == 1 else f"{_ordinal(position)} in line"


def _ordinal(number: int) -> str:
    teen = number % 100 in (11, 12, 13)
    return formats.whole(number) + (
        "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )


def sentence(words: str) -> str:
    """Words with a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and line feed, and halves of surrogate pairs."""


def visible(text: Any) -> str:
    """Text whose control characters are shown as signs, so that none acts on the page."""
    return _CONTROL.sub(_sign, str(text))


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"


def seconds_since(value: datetime | str) -> float:
    """Seconds from a time until now."""
    return (datetime.now(UTC) - instant(value)).total_seconds()


def seconds_between(start: datetime | str, end: datetime | str) -> float:
    """Seconds from one time to another."""
    return (instant(end) - instant(start)).total_seconds()


FILTERS: tuple[Callable[..., Any], ...] = (
    formats.number,
    formats.percent,
    formats.whole,
    formats.short,
    formats.rough,
    formats.duration,
    formats.ago,
    formats.last_heartbeat,
    formats.size,
    formats.moment,
    formats.clock,
    place,
    sentence,
    visible,
    seconds_since,
    seconds_between,
    lowercase_title,
)
