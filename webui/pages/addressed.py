"""Numbers that stand in the address of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request

from core.errors import InvalidInput
from core.messages import message

LONGEST_NUMBER = 9
ON_A_PAGE = 60

Item = TypeVar("Item")


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


@dataclass(frozen=True, slots=True)
class Part(Generic[Item]):
    """The part of a list that the address asks for."""

    items: Sequence[Item]
    page: int
    pages: int

    @property
    def first(self) -> int:
        """The place of its first item in the whole list, from 1."""
        return (self.page - 1) * ON_A_PAGE + 1


def part_of(found: Sequence[Item]) -> Part[Item]:
    """A page of a list.

    Raises:
        InvalidInput: there is no such page.
    """
    pages = max(1, -(-len(found) // ON_A_PAGE))
    page = number("page", pages, least=1) or 1
    return Part(found[(page - 1) * ON_A_PAGE : page * ON_A_PAGE], page, pages)
