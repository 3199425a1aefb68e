"""Stopping a running job: for whom, in what way, and by force where it does not stop in time."""

from __future__ import annotations

import time
from typing import Literal

from core.states import Desired, Outcome
from worker.processes.group import Group
from worker.processes.trainer import Trainer

StopReason = Literal["cancel", "pause", "drain"]

_OUTCOMES: dict[StopReason, Outcome] = {
    "cancel": "cancelled",
    "pause": "paused",
    "drain": "drained",
}


class Stopping:
    """Whether one job is being stopped, and until when it may take its time."""

    def __init__(self, trainer: Trainer | Group, grace_seconds: float) -> None:
        self.grace_seconds = grace_seconds
        self.kill_due: float | None = None
        """When the trainer is killed, by the monotonic clock; None where it is not."""
        self._trainer = trainer
        self._reason: StopReason | None = None

    @property
    def is_asked(self) -> bool:
        """Whether the trainer was asked to stop."""
        return self._reason is not None

    @property
    def outcome(self) -> Outcome:
        """The outcome of an attempt that stopped; of one that nobody asked, as if it drained."""
        return _OUTCOMES[self._reason or "drain"]

    def apply_desired(self, desired: Desired, *, is_draining: bool) -> None:
        """Ask the trainer to stop where that is what somebody wants."""
        if is_draining:
            self._ask("drain")
        if desired in ("pause", "cancel"):
            self._ask(desired)

    def kill_if_due(self) -> bool:
        """Kill a trainer that did not stop in time.

        Returns:
            Whether it was killed.
        """
        if self.kill_due is None or time.monotonic() < self.kill_due:
            return False
        was_alive = self._trainer.is_alive
        self._trainer.kill()
        self.kill_due = None
        return was_alive

    def _ask(self, reason: StopReason) -> None:
        """Ask the trainer to stop, once; its time to do so runs from the first asking.

        A paused or drained run is saved first; a cancel that comes later outweighs that.
        """
        is_first = self._reason is None
        if is_first or (reason == "cancel" and self._reason != "cancel"):
            self._trainer.ask_to_stop("stop" if reason == "cancel" else "save")
            self._reason = reason
        if is_first:
            self.kill_due = time.monotonic() + self.grace_seconds
