"""Whether the trainers of a worker get as far as training.

A run whose process ends before that may have broken it. Where the processes of different runs end
so, one after the other, it is rather the worker: a driver that crashes, a library that is damaged.
"""

from __future__ import annotations

import threading

RUNS = 2
"""Different runs in a row whose processes ended early, before it is the worker's fault."""


class Starts:
    """The starts of a worker's trainers. Safe in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended_early: set[int] = set()

    def began(self) -> None:
        """A run trains."""
        with self._lock:
            self._ended_early.clear()

    def ended_early(self, job_id: int) -> bool:
        """A run's process ended before it trained; whether that is the worker's fault."""
        with self._lock:
            self._ended_early.add(job_id)
            return len(self._ended_early) >= RUNS
