"""What a viewer asks to be sent: the streams of some runs, and that of all runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.errors import FieldError, InvalidInput
from core.messages import message
from webui.live.position import Position

MOST_JOBS = 100
LARGEST_DIGITS = 18
ENVIRON = "trainyard.subscription"
"""Where a request's environment holds the subscription that its answer's body is made from."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A run that is watched, and from where its viewer continues."""

    job_id: int
    position: Position
    label: str = ""
    """What its ids begin with, before `@`, where several streams share a connection."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A login or a token, by its number: a stream ends with it."""

    kind: Literal["login", "token"]
    number: int


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is watched over one connection."""

    jobs: Sequence[Watched] = ()
    after: int | None = None
    """An event of the history of all runs; None: that is not watched."""
    is_multiplexed: bool = False
    """Whether each id says which stream it is of: a label, or `events`."""
    seen_by: str | None = None
    """The name of whoever watches, where private runs of others are not there."""
    proof: Proof | None = None
    """By what whoever watches came in; None: nothing is needed."""


def event_id(text: str) -> int:
    """Read the id of an event of the history.

    Raises:
        InvalidInput: the text is none.
    """
    if not _is_number(text):
        raise InvalidInput.one("after", message("input.event_id"))
    return int(text)


def watched(texts: Sequence[str]) -> list[Watched]:
    """Read `7@` and a position, or `7` alone for a run from its start; `7.1` is run 7 once more.

    Raises:
        InvalidInput: one of them is none, a label is used twice, or there are too many.
    """
    if len(texts) > MOST_JOBS:
        raise InvalidInput.one("job", message("input.too_many", most=MOST_JOBS))
    found = [_watched(text) for text in texts]
    if len({each.label for each in found}) < len(found):
        raise InvalidInput.one("job", message("input.duplicate_field"))
    return found


def _watched(text: str) -> Watched:
    label, at, position = text.partition("@")
    number, dot, copy = label.partition(".")
    if not _is_number(number) or (dot and not _is_number(copy)):
        raise InvalidInput.one("job", message("input.run_number"))
    return Watched(int(number), _position(position) if at else Position(), label)


def _position(text: str) -> Position:
    try:
        return Position.parse(text)
    except InvalidInput as error:
        raise InvalidInput([FieldError("job", each.reason) for each in error.errors]) from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= LARGEST_DIGITS
