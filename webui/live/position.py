"""How far a viewer of a run has come: the id of each event of its live stream."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

from core.errors import InvalidInput
from core.messages import message

LARGEST_PART = 10**18 - 1
"""The parts of a position serve as cursors, and these have at most 18 digits."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a viewer has come. Written as its numbers with dots between."""

    revision: int = 0
    resets: int = 0
    epoch: int = 0
    step: int = 0
    log_attempt: int = 0
    log_line: int = 0
    artifact: int = 0
    evaluated: int = 0
    """The attempt whose evaluation the viewer knows of."""
    event: int = 0

    def __str__(self) -> str:
        return ".".join(str(part) for part in astuple(self))

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read a position.

        Raises:
            InvalidInput: the text is none.
        """
        try:
            parts = [int(part) for part in text.split(".")]
            possible = all(0 <= part <= LARGEST_PART for part in parts)
            # an id of an earlier version knows of no event, or of no evaluation either
            if not possible or not len(fields(cls)) - 2 <= len(parts) <= len(fields(cls)):
                raise ValueError
        except ValueError:
            raise InvalidInput.one("Last-Event-ID", message("input.event_id")) from None
        return cls(*parts)
