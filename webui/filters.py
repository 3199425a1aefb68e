"""What templates write values with: the formats of core, and what only a page needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from core import characters, formats
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


INVISIBLE = "(invisible name)"


def visible(text: Any) -> str:
    """Text whose control characters are shown as signs, so that none acts on the page."""
    return characters.visible(str(text))


def clickable(name: Any) -> str:
    """A name that can be seen, whatever it is made of: it is the text of a link."""
    shown = visible(name)
    return INVISIBLE if characters.is_blank(shown) else shown


def seconds_since(value: datetime | str) -> float:
    """Seconds from a time until now."""
    return (datetime.now(UTC) - instant(value)).total_seconds()


def seconds_between(start: datetime | str, end: datetime | str) -> float:
    """Seconds from one time to another."""
    return (instant(end) - instant(start)).total_seconds()


FILTERS: tuple[Callable[..., Any], ...] = (
    formats.number,
    formats.percent,
    formats.progress,
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
    clickable,
    seconds_since,
    seconds_between,
    lowercase_title,
)
