"""The end of training before the lease is over: a job is never computed by two workers at once.

A worker that cannot renew may be cut off while others can reach the database, and they take its job
when the lease is over. It cannot know. So it counts by its own clock from when it sent the last
renewal that was answered: the lease that the database wrote begins no earlier. When a good part of
the time is over it has the trainer save and stop, so that nothing is lost where the database was
away for everybody; shortly before the end it kills it, whatever the supervisor waits for. The
trainer counts too, and ends by itself: a worker that is stopped ends nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, Self

from core import logs
from core.protocol.clock import elapsed
from core.protocol.orders import Stop

ASK_AFTER = 0.7
KILL_AFTER = 0.85
"""Parts of a lease after which a trainer is asked to save and stop, and is killed."""
TELL_AFTER = 0.1
"""A trainer is told again after this part of the time that it was given: runs that report often
renew often."""
LONGEST_WAIT_S = 0.5
"""Waiting does not count the time in which the host sleeps."""

log = logs.get_logger(__name__)


class Stoppable(Protocol):
    """What a fence ends."""

    def ask_to_stop(self, how: Stop) -> None: ...
    def extend(self, ends_at: float) -> None: ...
    def kill(self) -> None: ...


class Fence:
    """The fence of one attempt. Use as a context manager: it watches until its end or `close`."""

    def __init__(
        self,
        trainer: Stoppable,
        lease_seconds: float,
        claimed_at: float | None = None,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        """Take note of the trainer.

        Args:
            trainer: what is ended.
            lease_seconds: how long a lease is.
            claimed_at: when the claim was sent, by `clock`; None: now.
            clock: the time in seconds.
        """
        self.fired_after_s: float | None = None
        """Seconds without an answer after which the trainer was asked to stop, or killed, because
        the lease was nearly over; None: it was not."""
        self._kill_after_s = KILL_AFTER * lease_seconds
        self._trainer = trainer
        self._ask_after_s = ASK_AFTER * lease_seconds
        self._clock = clock
        self._renewed_at = self._told_at = clock() if claimed_at is None else claimed_at
        self._changed = threading.Condition()
        self._has_order = self._is_asked = self._is_closed = False
        self._thread = threading.Thread(target=logs.carried(self._watch), name="fence", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._thread.join()

    def close(self) -> None:
        """Watch no more: the trainer is gone. What has happened so far stays."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    @property
    def ends_at(self) -> float:
        """Until when the trainer may compute, by the clock."""
        with self._changed:
            return self._renewed_at + self._kill_after_s

    def order_given(self) -> None:
        """Take note that the trainer has its order: before, it would take no other line."""
        with self._changed:
            self._has_order = True

    def renewed(self, sent_at: float) -> None:
        """Take note that the database answered to a renewal.

        Args:
            sent_at: when it was sent, by `clock`.
        """
        with self._changed:
            self._renewed_at = max(self._renewed_at, sent_at)
            is_news = self._renewed_at > self._told_at + TELL_AFTER * self._kill_after_s
            if is_news and self._has_order and not self._is_closed:
                self._told_at = self._renewed_at
                self._trainer.extend(self._renewed_at + self._kill_after_s)

    def look(self) -> bool:
        """Do what is due now.

        Returns:
            Whether there is nothing left to watch.
        """
        with self._changed:
            if self._is_closed:
                return True
            silence_s = self._clock() - self._renewed_at
            if silence_s >= self._kill_after_s:
                log.warning("trainer_fenced", silence_s=round(silence_s, 1))
                self._fire(silence_s)
                self._is_closed = True
                self._trainer.kill()
                return True
            if silence_s >= self._ask_after_s and self._has_order and not self._is_asked:
                log.warning("trainer_saves_before_fence", silence_s=round(silence_s, 1))
                self._fire(silence_s)
                self._is_asked = True
                self._trainer.ask_to_stop("save")
            return False

    def _fire(self, silence_s: float) -> None:
        if self.fired_after_s is None:
            self.fired_after_s = silence_s

    def _watch(self) -> None:
        while not self.look():
            with self._changed:
                if not self._is_closed:
                    self._changed.wait(self._seconds_to_wait())

    def _seconds_to_wait(self) -> float:
        is_to_be_asked = self._has_order and not self._is_asked
        after_s = self._ask_after_s if is_to_be_asked else self._kill_after_s
        left_s = self._renewed_at + after_s - self._clock()
        return min(LONGEST_WAIT_S, max(0.01, left_s))
