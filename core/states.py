"""The states of a job and the moves between them: the only table of transitions.

`core/jobs/queue.py` is the only file that performs them. What a person asks for (`desired`) is a
separate column: a wish is never a state.
"""

from __future__ import annotations

from typing import Literal, get_args

State = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
Desired = Literal["run", "pause", "cancel"]
Outcome = Literal["succeeded", "failed", "cancelled", "crashed", "lost", "drained", "paused"]

STATES: tuple[State, ...] = get_args(State)
DESIRED: tuple[Desired, ...] = get_args(Desired)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

FINAL: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})

TRANSITIONS: dict[State, frozenset[State]] = {
    "queued": frozenset({"running", "paused", "cancelled"}),
    # back to queued: the lease was lost, the worker drained, or the process crashed
    "running": frozenset({"queued", "paused", "succeeded", "failed", "cancelled"}),
    "paused": frozenset({"queued", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset({"queued"}),  # a person asked for another try
    "cancelled": frozenset(),
}


def may_become(state: State) -> tuple[State, ...]:
    """The states from which a job may move to `state`."""
    return tuple(origin for origin, targets in TRANSITIONS.items() if state in targets)
