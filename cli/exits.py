"""The exit statuses that scripts may rely on, each for one reason."""

from __future__ import annotations

from core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    TooManyRequests,
    TrainyardError,
    Unauthenticated,
)

SUCCEEDED = 0
FAILED = 1
USAGE = 2
CANCELLED = 3
REFUSED = 4

_OF_STATE = {"succeeded": SUCCEEDED, "cancelled": CANCELLED}
_REFUSALS = (Unauthenticated, Forbidden, Conflict, TooManyRequests)


def of_state(state: str) -> int:
    """For a run that was followed to its end."""
    return _OF_STATE.get(state, FAILED)


def of_error(error: TrainyardError) -> int:
    """For what could not be done; click itself exits with USAGE where it cannot read a command."""
    if isinstance(error, InvalidInput):
        return USAGE
    return REFUSED if isinstance(error, _REFUSALS) else FAILED
