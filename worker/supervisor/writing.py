"""Writing the reports of one job into the database in time, which also renews its lease."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TypeVar

from core import logs
from core.errors import DatabaseUnavailable
from core.jobs.lease import Lease
from core.jobs.recorder import Recorder
from core.messaging.pubsub import Wakeups
from core.protocol.clock import elapsed
from core.protocol.reports import Line, Report, Started
from core.states import Wanted

STATEMENTS_PER_S = 5.0
"""What a running job may cost the database: after each flush it is left alone for so long. What
comes after a pause is written at once."""
RENEWALS_IN_A_LEASE = 4
RETRY_AFTER_S = 1.0
DRAIN_PATIENCE_S = 5.0
"""How long a worker that is to stop waits for a database that is away."""
FIRST_WRITE_AFTER_S = 0.25

Result = TypeVar("Result")

log = logs.get_logger(__name__)


class ReportWriter:
    """Collects reports and writes them when they are due.

    While the database is away both the reports and the renewal are kept for later.
    """

    def __init__(
        self,
        recorder: Recorder,
        lease: Lease,
        wakeups: Wakeups,
        lease_seconds: float,
        renewed: Callable[[float], None] = lambda _sent_at: None,
        is_draining: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin.

        Args:
            recorder: writes them down.
            lease: of the job.
            wakeups: wakes whoever watches.
            lease_seconds: how long a lease is.
            is_draining: whether the worker is to stop, and can wait for nothing for long.
            renewed: called after each renewal that was answered, with when it was sent by
                `elapsed`.
        """
        self.wanted: Wanted = "run"
        """What is wanted of the job, as of the last write."""
        self.renew_every_s = lease_seconds / RENEWALS_IN_A_LEASE
        self._recorder = recorder
        self._lease = lease
        self._wakeups = wakeups
        self._renewed = renewed
        self._is_draining = is_draining
        self._give_up_at: float | None = None
        self._write_due = 0.0
        self._is_postponed = False
        self._renew_due = time.monotonic() + self.renew_every_s

    def record(self, report: Report) -> None:
        """Keep a report for the next write."""
        self._recorder.record(report)
        if isinstance(report, Started):  # its moment is that of the write
            self._write_due = min(self._write_due, time.monotonic() + FIRST_WRITE_AFTER_S)
            self._is_postponed = True
        if self._is_postponed and not isinstance(report, Started | Line):
            self._is_postponed = False  # the first batch is done: whoever waits shall see it
            self._write_due = 0.0

    def log(self, text: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """Keep a line of the run's log for the next write."""
        self.record(Line(level=level, text=text))

    def postpone(self) -> None:
        """Let what was just recorded wait a moment for the first batch, to travel with it."""
        self._write_due = time.monotonic() + FIRST_WRITE_AFTER_S
        self._is_postponed = True

    def renew_now(self) -> None:
        """Make the next write due at once, to read what is wanted."""
        self._renew_due = 0.0

    @property
    def next_due(self) -> float:
        """When the next write is due, by the monotonic clock."""
        return min(self._renew_due, self._write_due) if self._recorder.has_news else self._renew_due

    def write_if_due(self) -> None:
        """Write what came and renew the lease, if either is due.

        Raises:
            LeaseLost: the job is no longer this attempt's.
        """
        if time.monotonic() >= self.next_due:
            self._write()

    def finish(self) -> None:
        """Write all that is left, however long the database is away.

        Raises:
            LeaseLost: the job is no longer this attempt's.
            DatabaseUnavailable: the worker is to stop, and the database is away.
        """
        self.insist(self._recorder.flush)

    def insist(self, write: Callable[[], Result]) -> Result:
        """Write at the end of a job, however long the database is away; the lease decides.

        A worker that is to stop leaves the job to be found by its lease.

        Raises:
            LeaseLost: the job is no longer this attempt's.
            DatabaseUnavailable: the worker is to stop, and the database is away.
        """
        while True:
            try:
                return write()
            except DatabaseUnavailable as error:
                if self._has_no_time():
                    raise
                log.warning("job_end_delayed", reason=str(error))
                time.sleep(RETRY_AFTER_S)

    def _has_no_time(self) -> bool:
        """Whether the worker has been waiting to stop for long enough."""
        if not self._is_draining():
            return False
        now = time.monotonic()
        self._give_up_at = self._give_up_at or now + DRAIN_PATIENCE_S
        return now >= self._give_up_at

    def _write(self) -> None:
        had_news = self._recorder.has_news
        self._is_postponed = False
        sent_at = elapsed()
        try:
            self.wanted = self._recorder.flush()
        except DatabaseUnavailable as error:
            log.warning("reports_delayed", reason=str(error))
            self._write_due = self._renew_due = time.monotonic() + RETRY_AFTER_S
            return
        self._renewed(sent_at)
        now = time.monotonic()
        self._write_due = now + self._recorder.flush_cost / STATEMENTS_PER_S
        self._renew_due = now + self.renew_every_s
        if had_news:
            self._wakeups.announce("changed", self._lease.job_id)
