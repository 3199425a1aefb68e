"""The values of a curve as a page's script is given them."""

from __future__ import annotations

DIGITS = 6
"""Significant digits: more cannot be seen."""


def rounded(value: float | None) -> float | None:
    """A value to the digits that can be seen."""
    return None if value is None else float(f"{value:.{DIGITS}g}")
