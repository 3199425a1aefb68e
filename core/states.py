"""The states of a job and the moves between them: the only table of transitions.

`core/jobs` alone performs them, each as a conditional UPDATE. What a person asks for (`desired`) is
a separate column: it is never a state. An event of the job's history tells of each move.
"""

from __future__ import annotations

from typing import Literal, get_args

State = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
Desired = Literal["run", "pause", "cancel"]
Wanted = Literal["run", "pause", "cancel", "yield"]
"""What a worker is to do with a run: what a person wants of it, or to save it and give way."""
Outcome = Literal[
    "succeeded", "failed", "cancelled", "crashed", "lost", "drained", "paused", "worker_fault"
]

EventKind = Literal[
    "submitted",
    "claimed",
    "started",
    "snapshot",
    "crashed",
    "lost",
    "drained",
    "worker_fault",
    "worker_resumed",
    "pause_requested",
    "pause_withdrawn",
    "paused",
    "resumed",
    "cancel_requested",
    "cancelled",
    "retried",
    "finished",
    "failed",
    "deleted",
    "restored",
    "cleaned",
    "edited",
]

STATES: tuple[State, ...] = get_args(State)
DESIRED: tuple[Desired, ...] = get_args(Desired)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)

FINAL: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})

TRANSITIONS: dict[State, frozenset[State]] = {
    "queued": frozenset({"running", "paused", "cancelled"}),
    # back to queued: the lease was lost, the worker drained or could not do it, or the process
    # crashed
    "running": frozenset({"queued", "paused", "succeeded", "failed", "cancelled"}),
    "paused": frozenset({"queued", "cancelled"}),
    "succeeded": frozenset(),
    "failed": frozenset({"queued"}),  # a person asked for another try
    "cancelled": frozenset(),
}


def may_become(state: State) -> tuple[State, ...]:
    """The states from which a job may move to `state`."""
    return tuple(origin for origin, targets in TRANSITIONS.items() if state in targets)


EVENT_TARGETS: dict[EventKind, frozenset[State]] = {
    "submitted": frozenset({"queued"}),
    "claimed": frozenset({"running"}),
    # these four name a state where the run is to be tried again; else an end follows
    "crashed": frozenset({"queued", "paused"}),
    "lost": frozenset({"queued", "paused"}),
    "drained": frozenset({"queued", "paused"}),
    "worker_fault": frozenset({"queued", "paused"}),
    "paused": frozenset({"paused", "queued"}),  # queued: it was resumed before it had stopped
    "resumed": frozenset({"queued"}),
    "cancelled": frozenset({"cancelled"}),
    "retried": frozenset({"queued"}),
    "finished": frozenset({"succeeded"}),
    "failed": frozenset({"failed"}),
    "deleted": frozenset({"paused"}),  # it was queued: what is deleted does not wait
    "restored": frozenset({"queued"}),  # it was queued when it was deleted
}
"""The states into which a job may move by an event. Events of other kinds move it nowhere."""


_VISIBILITY: tuple[EventKind, ...] = ("deleted", "restored")
_AT_REST: frozenset[State] = FINAL | {"paused"}

STAYING: frozenset[tuple[State, EventKind]] = frozenset(
    {
        ("running", "crashed"),
        ("running", "lost"),
        ("running", "worker_fault"),
        ("queued", "retried"),  # it waited for what it was pinned to, and starts over
        *((state, kind) for state in _AT_REST for kind in _VISIBILITY),
    }
)
"""Events of `EVENT_TARGETS` after which a job may still be in the state that it was in."""


def state_after(state: State | None, kind: EventKind, named: State | None) -> State:
    """The state of a job after an event of its history.

    Args:
        state: before it; None: the job did not exist.
        kind: the event's kind.
        named: the state that the event's payload names, if any.

    Raises:
        ValueError: no job can go that way.
    """
    if named is None:
        may_stay = kind not in EVENT_TARGETS or (state, kind) in STAYING
        if state is None or not may_stay:
            raise ValueError(f"{kind} names no state, after {state}")
        return state
    may_move = named == "queued" if state is None else named in TRANSITIONS[state]
    if not may_move or named not in EVENT_TARGETS.get(kind, ()):
        raise ValueError(f"{kind} cannot lead from {state} to {named}")
    return named
