"""Numbers that stand in the address of a page."""

from __future__ import annotations

from flask import request

from core.errors import InvalidInput
from core.messages import message

LONGEST_NUMBER = 9


def number(name: str, most: int, least: int = 0) -> int | None:
    """A whole number of the address; None where it is not there.

    Raises:
        InvalidInput: it is no number from `least` to `most`.
    """
    text = request.args.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER):
        raise InvalidInput.one(name, message("input.whole_number"))
    if int(text) > most:
        raise InvalidInput.one(name, message("input.at_most", bound=most))
    if int(text) < least:
        raise InvalidInput.one(name, message("input.at_least", bound=least))
    return int(text)
