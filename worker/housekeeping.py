"""What a worker does between jobs: says that it is there, takes back lost jobs, looks for work.

The look makes the doorbell a convenience: with Redis down, jobs start a few seconds later.
"""

from __future__ import annotations

import logging
import threading
import time

from core import queue, workers
from core.errors import DatabaseUnavailable
from worker.tasks import run_next
from worker.yard import Yard

LOOK_EVERY_S = 2.0

log = logging.getLogger(__name__)


class Housekeeping:
    """The periodic duties of one worker, in one thread."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        self._stop = threading.Event()
        self._reaps_after = 0.0
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the duty that is being done."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._tidy()
            except DatabaseUnavailable as error:
                log.warning("%s", error)
                # workers that could not renew while the database was away get a lease's time
                # to do so before anybody judges them
                self._reaps_after = time.monotonic() + self._yard.settings.lease_seconds
            except Exception:
                log.exception("housekeeping failed; it goes on")
            self._stop.wait(LOOK_EVERY_S)

    def _tidy(self) -> None:
        yard = self._yard
        workers.seen(yard.database, yard.claimant.worker_id)
        if time.monotonic() >= self._reaps_after:
            for job_id in queue.reap(yard.database):
                log.warning("job %s was taken back: its lease ran out", job_id)
                yard.wakeups.announce("changed", job_id)
            workers.write_off_silent(yard.database)
        if yard.slots.has_free():  # rings that nobody is free to hear would only pile up
            for name in queue.unheard_queues(yard.database, yard.claimant.queues):
                yard.doorbell.ring(name)
        self._look()

    def _look(self) -> None:
        """Look for work without having been rung for."""
        yard = self._yard
        if yard.draining.is_set() or not yard.slots.has_free():
            return
        if queue.has_work(yard.database, yard.claimant):
            threading.Thread(target=run_next, args=(yard,), name="look", daemon=True).start()
