"""What a worker does between jobs: says that it is there, takes back lost jobs, looks for work.

The look makes the doorbell a convenience: with Redis down, jobs start a few seconds later.
"""

from __future__ import annotations

import logging
import threading
import time

from core import queue, resume_points, workers
from core.errors import DatabaseUnavailable, Unavailable
from worker.tasks import run_next
from worker.yard import Yard

LOOK_EVERY_S = 2.0
TIDY_EVERY_S = 10.0

log = logging.getLogger(__name__)


class Housekeeping:
    """The periodic duties of one worker, in one thread."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        self._stop = threading.Event()
        self._heard_at = time.monotonic()
        self._tidy_due = 0.0
        self._reaps_after = self._a_lease_from_now()
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
            pause = LOOK_EVERY_S
            try:
                pause = min(pause, self._keep_house())
            except DatabaseUnavailable as error:
                log.warning("%s", error)
                self._reaps_after = self._a_lease_from_now()
            except Exception:
                log.exception("housekeeping failed; it goes on")
            self._stop.wait(pause)

    def _keep_house(self) -> float:
        """Do what is to be done.

        Returns:
            Seconds after which there is work, as far as is known.
        """
        yard = self._yard
        workers.seen(yard.database, yard.claimant.worker_id)
        self._note_outages()
        if time.monotonic() >= self._reaps_after:
            for job_id in queue.reap(yard.database):
                log.warning("job %s was taken back: its lease ran out", job_id)
                yard.wakeups.announce("changed", job_id)
        if time.monotonic() >= self._tidy_due:
            self._tidy()
        if yard.draining.is_set():
            return LOOK_EVERY_S
        yard.spares.tend(yard.slots)
        return self._look()

    def _note_outages(self) -> None:
        """Postpone the judging of others after a time in which they may not have been heard.

        The database may have failed, or only not answered for a while, or this process itself may
        have been stopped: each shows as a gap since the last time that all went well. Workers that
        could not renew meanwhile get a lease's time to do so.
        """
        now = time.monotonic()
        if now - self._heard_at > LOOK_EVERY_S + self._yard.settings.lease_seconds / 2:
            log.warning("the database was out of reach for %.1f s", now - self._heard_at)
            self._reaps_after = self._a_lease_from_now()
        self._heard_at = now

    def _a_lease_from_now(self) -> float:
        return time.monotonic() + self._yard.settings.lease_seconds

    def _tidy(self) -> None:
        """Do what may wait."""
        self._tidy_due = time.monotonic() + TIDY_EVERY_S
        yard = self._yard
        if time.monotonic() >= self._reaps_after:
            workers.write_off_silent(yard.database)
        try:
            resume_points.sweep(yard.database, yard.artifacts)
        except DatabaseUnavailable:
            raise
        except Unavailable as error:
            log.warning("resume points that are not needed any more stay for now: %s", error)

    def _look(self) -> float:
        """Look for work without having been rung for, and ring for work that nobody was told of."""
        yard = self._yard
        if not yard.slots.has_free():  # rings that nobody is free to hear would only pile up
            return LOOK_EVERY_S
        for name in queue.unheard_queues(yard.database, yard.claimant.queues):
            yard.doorbell.ring(name)
        due_in = queue.due_in(yard.database, yard.claimant)
        if due_in is None:
            return LOOK_EVERY_S
        if due_in <= 0:
            threading.Thread(target=run_next, args=(yard,), name="look", daemon=True).start()
            return LOOK_EVERY_S
        return due_in
