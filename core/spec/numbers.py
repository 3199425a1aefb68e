"""Numbers as people type them: one reading for the form, the terminal and a spec's own texts.

A decimal comma is a decimal point where it can be nothing else. What sets thousands apart is
refused, since `1.000` is a thousand to one reader and one to another. So is what only Python takes
for a number, such as `1_0`.
"""

from __future__ import annotations

import math
import re
import unicodedata

from core.messages import message
from core.spec.validation import WrongValue

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)(e[+-]?[0-9]+)?")
_GROUPS = re.compile(r"[+-]?[0-9]{1,3}(?:([.,'’ ])[0-9]{3})(?:\1[0-9]{3})*(?:[.,][0-9]*)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)")
_LARGEST_EXACT = 2**53
"""Up to here every whole number is a float too."""
_LONGEST = 400
"""Digits; Python refuses to read far longer numbers."""


def read(text: str, kind: type[int | float]) -> int | float:
    """The number that a person has typed.

    Args:
        text: what was typed.
        kind: what it must be: a whole number, or any.

    Raises:
        WrongValue: it is no such number, or can be read in two ways.
    """
    plain = _plain(text)
    if "_" in plain:
        raise WrongValue(message("input.underscores"))
    if _sets_thousands_apart(plain, kind):
        raise WrongValue(message("input.thousands", text=text.strip()))
    if len(plain) > _LONGEST:
        raise WrongValue(message("input.number_too_large"))
    return _whole(plain) if kind is int else _decimal(plain, "input.number")


def _plain(text: str) -> str:
    """A text with the digits and signs of ASCII, as some keyboards write others."""
    folded = unicodedata.normalize("NFKC", text).strip().lower().replace("\N{MINUS SIGN}", "-")
    folded = folded.replace("\N{ARABIC DECIMAL SEPARATOR}", ",")
    return "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in folded)


def _sets_thousands_apart(text: str, kind: type) -> bool:
    """Whether groups of three digits may be meant, as in 1,000 or 10.000,5.

    One point alone is a decimal point where decimals may be; a group after a zero is no thousand.
    """
    text = text.partition("e")[0]
    if not _GROUPS.fullmatch(text) or re.match(r"[+-]?0", text):
        return False
    is_one_point = text.count(".") == 1 and not re.search(r"[,'’ ]", text)
    return not (is_one_point and kind is float)


def _whole(text: str) -> int:
    if _WHOLE.fullmatch(text):
        return int(text)
    value = _decimal(text, "input.whole_number")
    if abs(value) > _LARGEST_EXACT:
        raise WrongValue(message("input.number_too_large"))
    if value != int(value):
        raise WrongValue(message("input.whole_number"))
    return int(value)


def _decimal(text: str, otherwise: str) -> float:
    """A number as a float; the code says what is wrong with a text that is none."""
    if _NOT_FINITE.fullmatch(text):
        raise WrongValue(message("input.finite_number"))
    if not _NUMBER.fullmatch(text):
        raise WrongValue(message(otherwise))
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise WrongValue(message("input.number_too_large"))
    return value
