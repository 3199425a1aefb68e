"""How numbers, times and texts are written on the pages.

`static/js/format.js` writes them the same way for values that arrive while a page is open; a
browser test holds the two together.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime
from typing import Any

from core.jobs.status import QueueStatus

NOTHING = "–"

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def loss(value: float | None) -> str:
    """A loss, to four decimals; a large or tiny one in scientific notation."""
    if value is None:
        return NOTHING
    if value != 0 and not 0.0001 <= abs(value) < 10_000:
        return f"{value:.2e}"
    return f"{value:.4f}"


def percent(share: float | None) -> str:
    """A share of 1 as a percentage to two decimals: what one image in 10,000 is worth."""
    return NOTHING if share is None else f"{share * 100:.2f}%"


def whole(value: float | None) -> str:
    """A count, with its thousands set apart."""
    return NOTHING if value is None else f"{math.floor(value + 0.5):,}"


def rough(value: float) -> str:
    """A large count in words, to one decimal."""
    if value < 10_000:
        return whole(value)
    for name, unit in (("thousand", 1e3), ("million", 1e6)):
        if value / unit < 999.95:  # what would be written as 1000.0
            return f"{value / unit:.1f} {name}"
    return f"{value / 1e9:,.1f} billion"


def short(value: float | None) -> str:
    """A number to three significant digits: a learning rate."""
    return NOTHING if value is None else f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units."""
    if seconds is None:
        return NOTHING
    if seconds < 9.95:  # what would be written as 10.0
        return f"{max(0.0, seconds):.1f} s"
    whole_seconds = int(seconds + 0.5)
    if whole_seconds < _MINUTE:
        return f"{whole_seconds} s"
    if whole_seconds < _HOUR:
        return f"{whole_seconds // _MINUTE} min {whole_seconds % _MINUTE:02} s"
    if whole_seconds < _DAY:
        return f"{whole_seconds // _HOUR} h {whole_seconds % _HOUR // _MINUTE:02} min"
    return f"{whole_seconds // _DAY} d {whole_seconds % _DAY // _HOUR} h"


def ago(seconds: float) -> str:
    """How long ago something was, in its largest unit."""
    if seconds < 5:  # clocks of two machines differ by about that
        return "just now"
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{int(seconds)} s ago"


def heard(seconds: float) -> str:
    """How long ago a run was last heard of: to the second, while it is less than a minute."""
    return ago(seconds) if seconds >= _MINUTE else f"{max(0, int(seconds))} s ago"


def place(waits: QueueStatus) -> str:
    """Where a queued run is in the line, in the few words that a list has room for."""
    if waits.is_stuck:
        return "no worker for it"
    if waits.eta_s == 0:
        return "about to start"
    if waits.position is None:
        return (
            waits.with_time.text if waits.eta_s is None else f"next try in {duration(waits.eta_s)}"
        )
    return "next in line" if waits.position == 1 else f"{_ordinal(waits.position)} in line"


def _ordinal(number: int) -> str:
    teen = number % 100 in (11, 12, 13)
    return f"{number:,}" + ("th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th"))


def sentence(words: str) -> str:
    """Words with a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."


def size(count: int | None) -> str:
    """A number of bytes, in units of 1000."""
    if count is None:
        return NOTHING
    if count < 1000:
        return f"{count} B"
    value, unit = count / 1000, "kB"
    for larger in ("MB", "GB"):
        if value < 999.5:  # what would be written as 1000
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"


def visible(text: Any) -> str:
    """Text whose control characters are shown as signs, so that none acts on the page."""
    return "".join(_visible(character) for character in str(text))


def _visible(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs"):
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"


def instant(value: datetime | str) -> datetime:
    """A time, from the text that the API writes."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def moment(value: datetime | str) -> str:
    """A time to the second, in UTC."""
    return f"{instant(value).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(value: datetime | str) -> str:
    """The time of day, in UTC."""
    return f"{instant(value).astimezone(UTC):%H:%M:%S}"


def seconds_since(value: datetime | str) -> float:
    """Seconds from a time until now."""
    return (datetime.now(UTC) - instant(value)).total_seconds()


def seconds_between(start: datetime | str, end: datetime | str) -> float:
    """Seconds from one time to another."""
    return (instant(end) - instant(start)).total_seconds()
