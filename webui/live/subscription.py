"""What a viewer asks to be sent: the streams of some runs, and that of all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.errors import FieldError, InvalidInput
from core.messages import message
from webui.live.position import Position

MOST_JOBS = 100
LARGEST_DIGITS = 18
ENVIRON = "trainyard.subscription"
"""Where a request's environment holds the subscription that its answer's body is made from."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is watched, each from where its viewer has come to."""

    jobs: Mapping[int, Position] = field(default_factory=dict)
    after: int | None = None
    """An event of the history of all runs; None: that is not watched."""
    is_multiplexed: bool = False
    """Whether each id says which stream it is of: `7@` and a position, `events@` and an event."""


def event_id(text: str) -> int:
    """Read the id of an event of the history.

    Raises:
        InvalidInput: the text is none.
    """
    if not _is_number(text):
        raise InvalidInput.one("after", message("input.event_id"))
    return int(text)


def jobs_at(texts: Sequence[str]) -> dict[int, Position]:
    """Read `7@` and a position, or `7` alone for a run from its start.

    Raises:
        InvalidInput: one of them is none, names a run again, or there are too many.
    """
    if len(texts) > MOST_JOBS:
        raise InvalidInput.one("job", message("input.too_many", most=MOST_JOBS))
    found: dict[int, Position] = {}
    for text in texts:
        number, at, position = text.partition("@")
        if not _is_number(number):
            raise InvalidInput.one("job", message("input.run_number"))
        if int(number) in found:
            raise InvalidInput.one("job", message("input.duplicate_field"))
        found[int(number)] = _position(position) if at else Position()
    return found


def _position(text: str) -> Position:
    try:
        return Position.parse(text)
    except InvalidInput as error:
        raise InvalidInput([FieldError("job", each.reason) for each in error.errors]) from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= LARGEST_DIGITS
