"""How far a viewer of a run has come: the id of each event of its live stream."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass, fields

from core.errors import InvalidInput
from core.messages import message

LARGEST_PART = 10**18 - 1
"""The parts of a position serve as cursors, and these have at most 18 digits."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a viewer has come. Written as its numbers with dots between, behind the instance."""

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
    instance: str = ""
    """The database that the numbers are of; empty: an earlier version, or who has seen nothing."""

    def __str__(self) -> str:
        numbers = ".".join(map(str, astuple(self)[: len(_NUMBERS)]))
        return f"{self.instance}-{numbers}" if self.instance else numbers

    def is_of(self, instance: str) -> bool:
        """Whether it means something in a database."""
        return self.instance in ("", instance)

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read a position.

        Raises:
            InvalidInput: the text is none.
        """
        instance, dash, numbers = text.rpartition("-")
        try:
            parts = [int(part) for part in numbers.split(".")]
            possible = all(0 <= part <= LARGEST_PART for part in parts)
            # an id of an earlier version knows of no event, or of no evaluation either
            if not possible or not len(_NUMBERS) - 2 <= len(parts) <= len(_NUMBERS):
                raise ValueError
            if dash and not _INSTANCE.fullmatch(instance):
                raise ValueError
        except ValueError:
            raise InvalidInput.one("Last-Event-ID", message("input.event_id")) from None
        named = dict(zip(_NUMBERS, parts, strict=False))
        return cls(**named, instance=instance)


_NUMBERS = [each.name for each in fields(Position) if each.name != "instance"]
_INSTANCE = re.compile("[0-9a-f]{1,16}")
