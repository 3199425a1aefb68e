"""Stopping a running job: for whom, in what way, and by force where it does not stop in time."""

from __future__ import annotations

import time
from typing import Literal

from core.states import Outcome, Wanted
from worker.processes.group import Group
from worker.processes.trainer import Trainer

StopReason = Literal["cancel", "pause", "yield", "drain", "hang"]

STORE_PATIENCE_S = 120.0
"""How long a file store may be away, or not answer, at the end of a run that nobody hurries."""

DRAIN_MARGIN_S = 10.0
"""How long it may be so after the grace, where the worker is to stop."""

_OUTCOMES: dict[StopReason, Outcome] = {
    "cancel": "cancelled",
    "pause": "paused",
    "yield": "paused",
    "drain": "drained",
    "hang": "crashed",
}


class Stopping:
    """Whether one job is being stopped, and until when it may take its time."""

    def __init__(self, trainer: Trainer | Group, grace_seconds: float) -> None:
        self.grace_seconds = grace_seconds
        self.kill_due: float | None = None
        """When the trainer is killed, by the monotonic clock; None where it is not."""
        self._trainer = trainer
        self._reason: StopReason | None = None
        self._drain_due: float | None = None
        """Until when a worker that is to stop waits for the last snapshot."""

    @property
    def is_asked(self) -> bool:
        """Whether the trainer was asked to stop."""
        return self._reason is not None

    @property
    def is_for_hang(self) -> bool:
        """Whether nobody asked for it, but the trainer hangs."""
        return self._reason == "hang"

    def may_wait_for_store(self, began: float) -> bool:
        """Whether the end of the job may wait on for a file store that does not answer.

        A cancelled run needs nothing from it, and a worker that is to stop has little time.

        Args:
            began: when the wait began, by the monotonic clock.
        """
        if self._reason == "cancel":
            return False
        now = time.monotonic()
        if self._drain_due is not None:
            return now < self._drain_due
        return now < began + STORE_PATIENCE_S

    @property
    def outcome(self) -> Outcome:
        """The outcome of an attempt that stopped; of one that nobody asked, as if it drained."""
        return _OUTCOMES[self._reason or "drain"]

    def end_hang(self) -> None:
        """Ask a trainer that hangs to save and stop, in case it answers; it is killed if not."""
        self._ask("hang")

    def apply_wanted(self, wanted: Wanted, *, is_draining: bool) -> None:
        """Ask the trainer to stop where that is what somebody wants."""
        if is_draining:
            if self._drain_due is None:
                self._drain_due = time.monotonic() + self.grace_seconds + DRAIN_MARGIN_S
            self._ask("drain")
        if wanted != "run":
            self._ask(wanted)

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

        A run is saved first, unless it is cancelled; a cancel that comes later outweighs that.
        """
        is_first = self._reason is None
        if is_first or (reason == "cancel" and self._reason != "cancel"):
            self._trainer.ask_to_stop("stop" if reason == "cancel" else "save")
            self._reason = reason
        if is_first:
            self.kill_due = time.monotonic() + self.grace_seconds
