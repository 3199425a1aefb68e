"""What a worker does between jobs: says that it is there, takes back lost jobs, looks for work.

The look makes the notifier a convenience: with Redis down, jobs start a few seconds later.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime

from core import workers
from core.errors import DatabaseUnavailable, Unavailable
from core.jobs import endings, polling, snapshots
from core.jobs.polling import PollResult
from worker.claiming import run_next
from worker.context import Yard

LOOK_EVERY_S = 2.0
LOOKS_IN_A_LEASE = 5
TIDY_EVERY_S = 10.0

log = logging.getLogger(__name__)


class Housekeeping:
    """The periodic duties of one worker, in one thread."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        self._stop = threading.Event()
        lease = yard.settings.lease_seconds
        self._look_every = min(LOOK_EVERY_S, lease / LOOKS_IN_A_LEASE)
        # An outage that is shorter than this goes unnoticed, and is survived by every lease: they
        # are renewed four times in their length, and tried again after a second.
        self._longest_gap = self._look_every + lease / LOOKS_IN_A_LEASE
        self._last: tuple[float, datetime] | None = None
        self._tidy_due = 0.0
        self._reaps_after = self._a_lease_from_now()
        self._sweeper: threading.Thread | None = None
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
            pause = self._look_every
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
        moment = workers.heartbeat(yard.database, yard.claimant.worker_id)
        self._note_outages(moment)
        poll = polling.poll(yard.database, yard.claimant)
        if poll.are_leases_over and self._may_judge():
            for job_id in endings.reap(yard.database, yard.settings.lease_seconds, moment):
                log.warning("job %s was taken back: its lease ran out", job_id)
                yard.wakeups.announce("changed", job_id)
            poll = polling.poll(yard.database, yard.claimant)
        if time.monotonic() >= self._tidy_due:
            self._tidy()
        if yard.draining.is_set():
            return self._look_every
        yard.spares.tend(yard.slots)
        return self._look(poll)

    def _note_outages(self, moment: datetime) -> None:
        """Postpone the judging of others after a time in which they may not have been heard.

        The database may have failed, or only not answered for a while; this process, or the whole
        machine, may have been stopped; the database's clock may have been set. Each shows as a gap
        since the last time, by our clock or by the database's. Workers that could not renew
        meanwhile get a lease's time to do so.
        """
        now = time.monotonic()
        if self._last is not None:
            gap = max(now - self._last[0], (moment - self._last[1]).total_seconds())
            if gap > self._longest_gap:
                log.warning("nothing was heard for %.1f s", gap)
                self._reaps_after = self._a_lease_from_now()
        self._last = (now, moment)

    def _may_judge(self) -> bool:
        return time.monotonic() >= self._reaps_after

    def _a_lease_from_now(self) -> float:
        return time.monotonic() + self._yard.settings.lease_seconds

    def _tidy(self) -> None:
        """Do what may wait."""
        self._tidy_due = time.monotonic() + TIDY_EVERY_S
        if self._may_judge():
            workers.mark_silent_stopped(self._yard.database)
        # in a thread of its own: a file store that hangs must not keep us from anything else
        if self._sweeper is None or not self._sweeper.is_alive():
            self._sweeper = threading.Thread(target=self._sweep, name="sweep", daemon=True)
            self._sweeper.start()

    def _sweep(self) -> None:
        try:
            while snapshots.sweep(self._yard.database, self._yard.storage):
                pass
        except Unavailable as error:
            log.warning("snapshots that are not needed any more stay for now: %s", error)

    def _look(self, poll: PollResult) -> float:
        """Look for work without having been rung for, and ring for work that nobody was told of."""
        yard = self._yard
        if not yard.slots.has_free():  # rings that nobody is free to hear would only pile up
            return self._look_every
        if poll.are_jobs_unnotified:
            for name in polling.unnotified_queues(yard.database, yard.claimant.queues):
                yard.notifier.notify(name)
        if poll.due_in_s is None:
            return self._look_every
        if poll.due_in_s <= 0:
            threading.Thread(target=run_next, args=(yard,), name="look", daemon=True).start()
            return self._look_every
        return poll.due_in_s
