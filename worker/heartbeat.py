"""The heartbeat of a worker, and what it does for all: takes lost jobs back, removes what is over.

A worker that was cut off from the database for a while does not know who else was. It reaps
nobody until the others had a lease's time to renew.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime

from core import logs, scratch, workers
from core.errors import Unavailable
from core.jobs import endings, polling
from core.jobs.polling import PollResult
from core.retention import policy
from core.retention.maintenance import EVERY_S, maintain
from worker.context import WorkerContext

BEATS_IN_A_LEASE = 5
TIDY_EVERY_S = 10.0

log = logs.get_logger(__name__)


class Heartbeat:
    """The heartbeats of one worker. Not safe in several threads."""

    def __init__(self, context: WorkerContext, beat_every_s: float) -> None:
        self._context = context
        lease = context.settings.lease_seconds
        # An outage that is shorter than this goes unnoticed, and is survived by every lease: they
        # are renewed four times in their length, and tried again after a second.
        self._longest_gap_s = beat_every_s + lease / BEATS_IN_A_LEASE
        self._last: tuple[float, datetime] | None = None
        self._tidy_due = 0.0
        self._host_due = 0.0
        self._sweeper: threading.Thread | None = None
        self.postpone_reaping()

    def beat(self) -> PollResult:
        """Write that this worker is live, and take lost jobs back.

        Returns:
            What a look into the queue found afterwards.

        Raises:
            DatabaseUnavailable: the database does not answer; `postpone_reaping` is due.
        """
        context = self._context
        moment = workers.heartbeat(context.database, context.claimant.worker_id, context.facts)
        self._note_outage(moment)
        result = polling.poll(context.database, context.claimant)
        if result.are_leases_over and self._may_reap():
            self._reap(moment)
            result = polling.poll(context.database, context.claimant)
        if time.monotonic() >= self._tidy_due:
            self._tidy()
        return result

    def postpone_reaping(self) -> None:
        """Leave other workers alone for the time of a lease, in which they can renew theirs."""
        self._reaps_after = time.monotonic() + self._context.settings.lease_seconds

    def _note_outage(self, moment: datetime) -> None:
        """Postpone reaping after a time in which others may not have been able to renew.

        The database may have failed, or only not answered for a while; this process, or the whole
        machine, may have been stopped; the database's clock may have been set. Each shows as a gap
        since the last heartbeat, by our clock or by the database's.
        """
        now = time.monotonic()
        if self._last is not None:
            gap_s = max(now - self._last[0], (moment - self._last[1]).total_seconds())
            if gap_s > self._longest_gap_s:
                log.warning("heartbeat_gap", gap_s=round(gap_s, 1))
                self.postpone_reaping()
        self._last = (now, moment)

    def _may_reap(self) -> bool:
        return time.monotonic() >= self._reaps_after

    def _reap(self, moment: datetime) -> None:
        context = self._context
        for job_id in endings.reap(context.database, context.settings.lease_seconds, moment):
            log.warning("job_reaped", job_id=job_id, reason="its lease ran out")
            context.wakeups.announce("changed", job_id)

    def _tidy(self) -> None:
        """Do what may wait."""
        self._tidy_due = time.monotonic() + TIDY_EVERY_S
        if not self._may_reap():  # rows that name blobs may be about to be written, as renewals are
            return
        workers.mark_silent_stopped(self._context.database)
        # in a thread of its own: a file store that hangs must not delay any heartbeat
        if self._sweeper is None or not self._sweeper.is_alive():
            sweep = logs.carried(self._sweep)
            self._sweeper = threading.Thread(target=sweep, name="sweep", daemon=True)
            self._sweeper.start()

    def _sweep(self) -> None:
        context, rules = self._context, policy.of(self._context.settings)
        try:
            while maintain(context.database, context.storage, rules):
                pass
        except Unavailable as error:
            log.warning("not_maintained", reason=str(error))
        if time.monotonic() >= self._host_due:
            self._host_due = time.monotonic() + EVERY_S
            scratch.sweep(rules.unnamed_s)
            scratch.sweep_downloads(context.settings.data_folder)
