"""Which jobs a list has, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.database.models import MEASURED
from core.errors import InvalidInput
from core.messages import message
from core.queries.conditions import OF_THE_END, Condition
from core.spec.fields import spec_fields
from core.states import STATES

SORTS: tuple[str, ...] = ("", *(f"{sign}{name}" for name in MEASURED for sign in ("", "-")))
"""Newest first; or by a measurement, from its smallest or, after `-`, from its largest value."""
OLDEST_FIRST = "created"
BY_STATE = "state"
"""In the order of `STATES`, in each the newest first."""
COLUMNS = {name: name for name in MEASURED} | {"name": "folded_name", "finished": "finished_at"}
"""What has an index of its own to be sorted by, and its column."""
OF_JOBS = (BY_STATE, "name", "finished")
"""What of a job itself it can be sorted by besides."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs a list has, and in which order. What is empty chooses nothing."""

    states: Sequence[str] = ()
    dataset: str = ""
    model: str = ""
    preset: str = ""
    owner: str = ""
    tag: str = ""
    text: str = ""
    """A part of the name, in capital or small letters."""
    created_from: datetime | None = None
    """Submitted at this moment, or later."""
    created_to: datetime | None = None
    """Submitted before this moment."""
    conditions: Sequence[Condition] = ()
    """What is true of values that they have."""
    sort: str = ""
    """One of `SORTS`, `created` (oldest first), or another value as `can_sort_by` knows it."""
    seen_by: str | None = None
    """The name of whoever asks, where private jobs of others are not there; None: all are."""
    deleted: bool = False
    """Whether those that were deleted and can be restored are asked for, and no others."""
    is_backwards: bool = False
    """Whether it is gone through from its end."""

    @property
    def equal(self) -> dict[str, str]:
        """The columns that have one value."""
        names = ("dataset", "model", "preset", "owner")
        return {name: value for name in names if (value := getattr(self, name))}

    @property
    def is_by_state(self) -> bool:
        """Whether the state alone decides."""
        asked = replace(self, states=(), sort="", seen_by=None, is_backwards=False)
        return asked == EVERYTHING

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return replace(self, sort="", is_backwards=False) == EVERYTHING

    @property
    def value(self) -> str:
        """The name of what it is sorted by; empty: by when they were submitted."""
        name = self.sort.removeprefix("-")
        return "" if name == OLDEST_FIRST else name

    @property
    def is_falling(self) -> bool:
        """Whether the largest, or the newest, comes first."""
        return (self.sort == "" or self.sort.startswith("-")) != self.is_backwards


EVERYTHING = Selection()


def refuse_unknown(selection: Selection) -> None:
    """Raise `InvalidInput` where a state or an order is asked for that there is not."""
    for state in selection.states:
        if state not in STATES:
            reason = message("input.unknown_state", state=state, known=list(STATES))
            raise InvalidInput.one("state", reason)
    if not can_sort_by(selection.value) or (selection.sort and not selection.sort.strip("-")):
        known = [*(name for name in SORTS if name), OLDEST_FIRST, *OF_JOBS, *OF_THE_END]
        reason = message("input.unknown_sort", sort=selection.sort, known=known)
        raise InvalidInput.one("sort", reason)


def can_sort_by(value: str) -> bool:
    """Whether a list can be sorted by a value: a measurement, or a hyperparameter's dotted path."""
    return value in ("", *MEASURED, *OF_JOBS, *OF_THE_END) or value in spec_fields()
