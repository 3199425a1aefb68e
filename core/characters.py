"""Characters that are not shown as they are: what acts on a screen, and what nobody sees.

Names, log lines and whatever else comes from outside may hold them. A control character moves the
cursor of a terminal; an override or an open isolate turns the text around it, up to a whole row.
"""

from __future__ import annotations

import re
import unicodedata

_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
"""Control characters but tab and line feed, and halves of surrogate pairs."""
_TURNING = "\u202a-\u202e\u2066-\u2069"
"""Embeddings, overrides and isolates of the bidirectional algorithm, and what ends them."""

_ACTING = re.compile(f"[{_CONTROL}{_TURNING}]")
_TURNS = re.compile(f"[{_TURNING}]")
_UNSEEN = ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Mn", "Me")
"""Categories of characters of which nothing is seen where they stand alone."""
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols, by their categories, that are drawn as nothing."""


def visible(text: str) -> str:
    """Text for a page: what would act on it is shown as a sign."""
    return _ACTING.sub(_sign, text)


def printable(text: str) -> str:
    """Text for a terminal: what would move the cursor, change colors or turn a line is replaced."""
    return _ACTING.sub("\N{REPLACEMENT CHARACTER}", text)


def has_controls(text: str) -> bool:
    """Whether a text has a control character, tab and line feed among them, or half a character."""
    return any(unicodedata.category(each) in ("Cc", "Cs") for each in text)


def turns_text(text: str) -> bool:
    """Whether a text has a character that turns the direction of what stands around it."""
    return bool(_TURNS.search(text))


def is_blank(text: str) -> bool:
    """Whether nothing of a text is seen."""
    return all(unicodedata.category(each) in _UNSEEN or each in _FILLERS for each in text)


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"
