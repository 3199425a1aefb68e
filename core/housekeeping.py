"""What is done for an installation beside its runs: what is lost, and what is kept no longer.

Each worker does it between its heartbeats, and so does the web process, for it needs no GPU: a run
whose worker is gone ends, or waits for another, though no worker is left. Any number of processes
may do it; on PostgreSQL one of them at a time, by a lock that nobody waits for, and SQLite lets
one write at a time anyway. Each round is a look, and bounded work where there is some.

Whoever was cut off from the database for a while does not know who else was, and reaps nobody until
the others had a lease's time to renew. That a process of this host has ended it knows at once.

The web process and `trainyard db maintain` also deliver what people are to be told. Workers do not:
they need no way to the mail server or to other networks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from core import hosts, logs, scratch, workers
from core.database.engine import Database
from core.errors import DatabaseUnavailable, Unavailable
from core.jobs import endings, polling
from core.messaging.pubsub import Wakeups
from core.retention import maintenance, policy
from core.settings import Settings
from core.storage.blobs import Storage

if TYPE_CHECKING:
    from core.notifications.deliverer import Deliverer

EVERY_S = 2.0
BEATS_IN_A_LEASE = 5
TIDY_EVERY_S = 10.0
FINISH_TIMEOUT_S = 2.0

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """What the housekeeping works on."""

    settings: Settings
    database: Database
    storage: Storage
    wakeups: Wakeups
    note_round: Callable[[], None] = lambda: None
    """Called after each whole round, for those who watch the process."""


class Housekeeping:
    """The rounds of one process. Not safe in several threads."""

    def __init__(self, house: House, every_s: float = EVERY_S) -> None:
        """Begin to watch: for the time of a lease nobody is reaped.

        Args:
            house: what to work on.
            every_s: seconds between two rounds.
        """
        self._house = house
        self._boot = hosts.boot()
        # An outage that is shorter than this goes unnoticed, and is survived by every lease: they
        # are renewed four times in their length, and tried again after a second.
        self._longest_gap_s = every_s + house.settings.lease_seconds / BEATS_IN_A_LEASE
        self._last: tuple[float, datetime] | None = None
        self._tidy_due = 0.0
        self._host_due = 0.0
        self._sweeper: threading.Thread | None = None
        self.postpone_reaping()

    def look(self) -> bool:
        """Do a round: by itself, without the heartbeat and the poll that a worker has anyway.

        Returns:
            Whether jobs were taken back.

        Raises:
            DatabaseUnavailable: the database does not answer; `postpone_reaping` is due.
        """
        with self._house.database.reading() as session:
            row = session.execute(polling.LEASES).one()
        return self.keep(row.moment, are_leases_over=bool(row.is_over))

    def keep(self, moment: datetime, *, are_leases_over: bool) -> bool:
        """Do what there is to do.

        Args:
            moment: by the database's clock, at the beginning of this round.
            are_leases_over: whether a running job's lease has run out.

        Returns:
            Whether jobs were taken back.

        Raises:
            DatabaseUnavailable: the database does not answer; `postpone_reaping` is due.
        """
        self._note_outage(moment)
        taken = self._take_back_from_neighbors()
        if are_leases_over and self.may_reap:
            taken += self._reap(moment)
        for job_id in taken:
            self._house.wakeups.announce("changed", job_id)
        if time.monotonic() >= self._tidy_due:
            self._tidy()
        return bool(taken)

    def finish(self, timeout: float = FINISH_TIMEOUT_S) -> None:
        """Wait, at most `timeout` seconds, for what was begun beside the rounds."""
        if self._sweeper is not None:
            self._sweeper.join(timeout)

    def postpone_reaping(self) -> None:
        """Leave workers alone for the time of a lease, in which they can renew theirs."""
        self._reaps_after = time.monotonic() + self._house.settings.lease_seconds

    def _note_outage(self, moment: datetime) -> None:
        """Postpone reaping after a time in which others may not have been able to renew.

        The database may have failed, or only not answered for a while; this process, or the whole
        machine, may have been stopped; the database's clock may have been set. Each shows as a gap
        since the last round, by our clock or by the database's.
        """
        at = time.monotonic()
        if self._last is None:  # whatever happened before the first round, nobody here has seen
            self.postpone_reaping()
        else:
            gap_s = max(at - self._last[0], (moment - self._last[1]).total_seconds())
            if gap_s > self._longest_gap_s:
                log.warning("heartbeat_gap", gap_s=round(gap_s, 1))
                self.postpone_reaping()
        self._last = (at, moment)

    @property
    def may_reap(self) -> bool:
        """Whether others had the time to renew their leases since all is well."""
        return time.monotonic() >= self._reaps_after

    def _reap(self, moment: datetime) -> list[int]:
        house = self._house
        taken = endings.reap(house.database, house.settings.lease_seconds, moment)
        for job_id in taken:
            log.warning("job_reaped", job_id=job_id, reason="its lease ran out")
        return taken

    def _take_back_from_neighbors(self) -> list[int]:
        """Take back what workers of this host held that have ended: no lease needs to run out."""
        if self._boot is None:
            return []
        with self._house.database.reading() as session:
            neighbors = workers.neighbors(session, self._boot)
        taken: list[int] = []
        for worker_id, lock in neighbors:
            with hosts.ended(self._house.settings.data_folder, lock) as is_ended:
                if is_ended:
                    taken += self._take_back(worker_id)
        return taken

    def _take_back(self, worker_id: int) -> list[int]:
        with self._house.database.writing() as session:
            # its row first: whoever ends its rests locks that before the history too
            workers.mark_lost(session, worker_id)
            taken = endings.take_back(session, worker_id)
        log.warning("worker_ended", worker_id=worker_id, job_ids=taken)
        return taken

    def _tidy(self) -> None:
        """Do what may wait."""
        self._tidy_due = time.monotonic() + TIDY_EVERY_S
        if not self.may_reap:  # rows that name blobs may be about to be written, as renewals are
            return
        self._mark_silent_lost()
        # in a thread of its own: a file store that hangs must not delay any heartbeat
        if self._sweeper is None or not self._sweeper.is_alive():
            sweep = logs.carried(self._sweep)
            self._sweeper = threading.Thread(target=sweep, name="sweep", daemon=True)
            self._sweeper.start()

    def _mark_silent_lost(self) -> None:
        database = self._house.database
        with database.reading() as session:
            has_silent = workers.has_silent(session)
        if has_silent:
            with database.writing() as session:
                if endings.is_alone(session):
                    workers.mark_silent_lost(session)

    def _sweep(self) -> None:
        house, rules = self._house, policy.of(self._house.settings)
        try:
            while maintenance.maintain(house.database, house.storage, rules):
                pass
        except Unavailable as error:
            log.warning("not_maintained", reason=str(error))
        if time.monotonic() >= self._host_due:
            self._host_due = time.monotonic() + maintenance.EVERY_S
            self._sweep_logins()
            scratch.sweep(rules.unnamed_s)
            scratch.sweep_downloads(house.settings.data_folder)
            hosts.sweep(house.settings.data_folder, rules.unnamed_s)

    def _sweep_logins(self) -> None:
        # only what is done once an hour needs it, and it loads what hashes passwords
        from core.accounts import logins  # noqa: PLC0415

        house = self._house
        try:
            logins.sweep(house.database, logins.lifetime(house.settings))
        except Unavailable as error:
            log.warning("not_maintained", reason=str(error))


def run(house: House, stop: threading.Event, *, once: bool = False) -> None:
    """Keep house until told to stop, whatever fails meanwhile.

    Args:
        house: what to work on.
        stop: ends it; it may be set by a signal.
        once: end too after the first round in which runs could be taken back.
    """
    # workers keep house too, and load none of it: what speaks HTTP and SMTP
    from core.notifications.deliverer import Deliverer  # noqa: PLC0415

    housekeeping = Housekeeping(house)
    deliverer = Deliverer(house.database, house.settings)
    if not once:
        deliverer.start(stop)
    while not stop.is_set():
        is_whole = housekeeping.may_reap
        try:
            housekeeping.look()
        except DatabaseUnavailable as error:
            log.warning("database_unavailable", reason=str(error))
            housekeeping.postpone_reaping()
        except Exception:  # a fault of one round must not end the others
            log.exception("housekeeping_failed")
        else:
            house.note_round()
            if once and is_whole:
                _deliver_once(deliverer)
                break
        stop.wait(EVERY_S)
    housekeeping.finish()
    deliverer.join(FINISH_TIMEOUT_S)


def _deliver_once(deliverer: Deliverer) -> None:
    try:
        deliverer.look()
        deliverer.deliver()
    except DatabaseUnavailable as error:
        log.warning("database_unavailable", reason=str(error))
