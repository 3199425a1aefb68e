"""The loop of a worker between jobs: a heartbeat, warm trainers, and a look for work.

The look makes the notifier a convenience: with Redis down, jobs start a few seconds later.
"""

from __future__ import annotations

import threading

from core import housekeeping, logs
from core.errors import DatabaseUnavailable
from core.housekeeping import BEATS_IN_A_LEASE
from core.jobs import polling, preemption
from core.jobs.polling import PollResult
from worker.claiming import run_next
from worker.context import WorkerContext
from worker.heartbeat import Heartbeat

POLL_EVERY_S = housekeeping.EVERY_S

log = logs.get_logger(__name__)


class Poller:
    """The periodic duties of one worker, in one thread."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._stop = threading.Event()
        self._every_s = min(POLL_EVERY_S, context.settings.lease_seconds / BEATS_IN_A_LEASE)
        self._heartbeat = Heartbeat(context, self._every_s)
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the duty that is being done."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            pause_s = self._every_s
            try:
                pause_s = min(pause_s, self._poll())
            except DatabaseUnavailable as error:
                log.warning("database_unavailable", reason=str(error))
                self._heartbeat.postpone_reaping()
            except Exception:  # a fault of one round must not end the polling
                log.exception("polling_failed")
            self._stop.wait(pause_s)

    def _poll(self) -> float:
        """Do one round.

        Returns:
            Seconds after which there is work, as far as is known.
        """
        context = self._context
        result = self._heartbeat.beat()
        if context.draining.is_set():
            return self._every_s
        if result.may_preempt:
            self._preempt()
        context.spares.tend(context.slots)
        if not context.slots.has_free():  # messages that no slot is free for would only pile up
            return self._every_s
        self._notify_again(result)
        return self._start_due(result)

    def _preempt(self) -> None:
        """Let runs give way to those of a higher priority, on whichever workers."""
        for job_id in preemption.preempt(self._context.database):
            self._context.wakeups.announce("asked", job_id)

    def _notify_again(self, result: PollResult) -> None:
        """Notify the workers of jobs that wait although somebody may be free."""
        context = self._context
        if result.unnotified_lanes:
            for name in polling.mark_notified(context.database, result.unnotified_lanes):
                context.notifier.notify(name)

    def _start_due(self, result: PollResult) -> float:
        """Run what is due, in another thread, without having been notified of it."""
        if result.due_in_s is None:
            return self._every_s
        if result.due_in_s > 0:
            return result.due_in_s
        threading.Thread(target=run_next, args=(self._context,), name="run", daemon=True).start()
        return self._every_s
