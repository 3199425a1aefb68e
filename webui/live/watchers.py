"""Hands wake-ups from one Redis subscription to all the streams of this process."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from core.messaging.pubsub import Wakeups

ALL_JOBS = 0
"""Stands for every job, whose ids begin at 1."""


class Watchers:
    """The streams that wait for news of a job, or of all of them."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups
        self._lock = threading.Lock()
        self._events: dict[int, set[threading.Event]] = defaultdict(set)
        self._stop = threading.Event()
        self._listener: threading.Thread | None = None

    @contextmanager
    def watching(self, job_id: int) -> Iterator[threading.Event]:
        """An event that is set at each wake-up for a job, or any of `ALL_JOBS`, and by a stop."""
        event = threading.Event()
        with self._lock:
            self._events[job_id].add(event)
            if self._listener is None:  # not before it is needed: nothing connects at import
                self._listener = threading.Thread(
                    target=self._wakeups.listen,
                    args=("changed", self._wake, self._stop),
                    name="wakeups",
                    daemon=True,
                )
                self._listener.start()
        try:
            yield event
        finally:
            with self._lock:
                self._events[job_id].discard(event)
                if not self._events[job_id]:
                    del self._events[job_id]

    def stop(self) -> None:
        """End the subscription and let every stream look, and end, now."""
        self._stop.set()
        with self._lock:
            for events in self._events.values():
                for event in events:
                    event.set()

    @property
    def stopping(self) -> bool:
        """Whether the server is going down."""
        return self._stop.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than the server lives."""
        self._stop.wait(seconds)

    def _wake(self, job_id: int) -> None:
        with self._lock:
            for watched in (job_id, ALL_JOBS):
                for event in self._events.get(watched, ()):
                    event.set()
