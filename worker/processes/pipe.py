"""Pipes that wake a thread that waits for a descriptor, such as a supervisor that reads reports."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator


class WakeupPipe:
    """A descriptor that is readable from `set` or `poke` until `clear`. Safe in several threads."""

    def __init__(self) -> None:
        self.descriptor, self._writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def set(self) -> None:
        """Wake the reader: what is asked of its job may have changed."""
        self._write(b"!")

    def poke(self) -> None:
        """Wake the reader for work of its own, of which the database knows nothing."""
        self._write(b".")

    def clear(self) -> bool:
        """Make the descriptor unreadable again.

        Returns:
            Whether it was set; False where it was only poked, or neither.
        """
        with contextlib.suppress(BlockingIOError):
            return b"!" in os.read(self.descriptor, 1024)
        return False

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.descriptor)
        os.close(self._writable)

    def _write(self, mark: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # full: the reader is being woken already
            os.write(self._writable, mark)


class WakeupPipes:
    """The pipes of the supervisors, by job. A job has two where one has lost it unknowingly."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipes: list[tuple[int, WakeupPipe]] = []

    @contextlib.contextmanager
    def watching(self, job_id: int) -> Iterator[WakeupPipe]:
        """A pipe that is set whenever the job is to be looked at."""
        pipe = WakeupPipe()
        with self._lock:
            self._pipes.append((job_id, pipe))
        try:
            yield pipe
        finally:
            with self._lock:
                self._pipes.remove((job_id, pipe))
            pipe.close()

    def wake(self, job_id: int) -> None:
        """Wake the supervisor of a job, if this worker runs it."""
        with self._lock:
            for watched, pipe in self._pipes:
                if watched == job_id:
                    pipe.set()

    def wake_all(self) -> None:
        """Wake every supervisor."""
        with self._lock:
            for _, pipe in self._pipes:
                pipe.set()
