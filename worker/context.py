"""What the parts of one worker process share: the services, the slots, and whether it drains."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.database.engine import Database
from core.jobs.claim import Claimant
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.storage.blobs import Storage
from worker.devices import Slots
from worker.processes.spares import Spares


class Alarm:
    """A descriptor that becomes readable when a supervisor is to look up."""

    def __init__(self) -> None:
        self.descriptor, self._writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def sound(self) -> None:
        """Wake the supervisor, to see what is asked of the job. Any thread may."""
        self._write(b"!")

    def nudge(self) -> None:
        """Wake the supervisor for something of its own, of which the database knows nothing."""
        self._write(b".")

    def silence(self) -> bool:
        """Make the descriptor unreadable again, and say whether something may be asked."""
        with contextlib.suppress(BlockingIOError):
            return b"!" in os.read(self.descriptor, 1024)
        return False

    def _write(self, mark: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it is being woken already
            os.write(self._writable, mark)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)
        os.close(self._writable)


class Alarms:
    """Wakes the supervisors of a job: when something is asked of it, or when the worker drains.

    A job has two where one has lost it without knowing yet.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alarms: list[tuple[int, Alarm]] = []

    @contextlib.contextmanager
    def of(self, job_id: int) -> Iterator[Alarm]:
        """An alarm that sounds for a job."""
        alarm = Alarm()
        with self._lock:
            self._alarms.append((job_id, alarm))
        try:
            yield alarm
        finally:
            with self._lock:
                self._alarms.remove((job_id, alarm))
            alarm.close()

    def sound(self, job_id: int) -> None:
        """Wake the supervisor of a job, if it is one of ours."""
        with self._lock:
            for watched, alarm in self._alarms:
                if watched == job_id:
                    alarm.sound()

    def sound_all(self) -> None:
        """Wake every supervisor."""
        with self._lock:
            for _, alarm in self._alarms:
                alarm.sound()


@dataclass(frozen=True, slots=True)
class Yard:
    """One worker process."""

    settings: Settings
    database: Database
    storage: Storage
    notifier: Notifier
    wakeups: Wakeups
    slots: Slots
    spares: Spares
    claimant: Claimant
    alarms: Alarms = field(default_factory=Alarms)
    draining: threading.Event = field(default_factory=threading.Event)

    def drain(self) -> None:
        """Stop claiming, and let every running job go back to the queue."""
        self.draining.set()
        self.alarms.sound_all()
