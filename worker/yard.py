"""What the parts of one worker process share: the services, the slots, and whether it drains."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass, field

from core.artifacts import Artifacts
from core.database import Database
from core.doorbell import Doorbell
from core.queue import Claimant
from core.settings import Settings
from core.wakeup import Wakeups
from worker.devices import Slots


class Alarms:
    """Wakes the supervisor of a job: when something is asked of it, or when the worker drains."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_job: dict[int, int] = {}

    def set(self, job_id: int, descriptor: int) -> None:
        """Write to a descriptor when something is asked of a job."""
        with self._lock:
            self._by_job[job_id] = descriptor

    def clear(self, job_id: int) -> None:
        """Forget a job."""
        with self._lock:
            self._by_job.pop(job_id, None)

    def sound(self, job_id: int) -> None:
        """Wake the supervisor of a job, if it is one of ours."""
        with self._lock:
            self._write(self._by_job.get(job_id))

    def sound_all(self) -> None:
        """Wake every supervisor."""
        with self._lock:
            for descriptor in self._by_job.values():
                self._write(descriptor)

    def _write(self, descriptor: int | None) -> None:
        if descriptor is not None:
            with contextlib.suppress(BlockingIOError):  # full: it is being woken already
                os.write(descriptor, b"!")


@dataclass(frozen=True, slots=True)
class Yard:
    """One worker process."""

    settings: Settings
    database: Database
    artifacts: Artifacts
    doorbell: Doorbell
    wakeups: Wakeups
    slots: Slots
    claimant: Claimant
    alarms: Alarms = field(default_factory=Alarms)
    draining: threading.Event = field(default_factory=threading.Event)

    def drain(self) -> None:
        """Stop claiming, and let every running job go back to the queue."""
        self.draining.set()
        self.alarms.sound_all()
