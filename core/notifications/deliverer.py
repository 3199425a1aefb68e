"""Delivers what is in the outbox, and looks for what else is to be told. Threads of one process.

Any number of processes may do so: each message is taken by one of them.
"""

from __future__ import annotations

import threading
import time

from core import logs
from core.database.engine import Database
from core.errors import DatabaseUnavailable
from core.notifications import outbox, sending, watches
from core.settings import Settings

AT_ONCE = 3
"""Messages that are sent at once, each of another owner: a receiver that is slow is its owner's."""
EVERY_S = 2.0
WATCHED_EVERY_S = 10.0
CLEANED_EVERY_S = 3600.0

log = logs.get_logger(__name__)


class Deliverer:
    """The deliveries of one process."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._threads: list[threading.Thread] = []
        self._watched_at = self._cleaned_at = float("-inf")

    def start(self, stop: threading.Event) -> None:
        """Deliver in threads until told to stop."""
        for number in range(AT_ONCE):
            thread = threading.Thread(
                target=self._run, args=(stop, number == 0), name=f"deliver-{number}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def join(self, timeout_s: float) -> None:
        """Wait, at most so long together, for the tries that have begun."""
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def look(self) -> None:
        """Put into the outbox what is to be told, where it is time to look; and clean it."""
        moment = time.monotonic()
        if moment >= self._watched_at + WATCHED_EVERY_S:
            self._watched_at = moment
            watches.look(self._database)
        if moment >= self._cleaned_at + CLEANED_EVERY_S:
            self._cleaned_at = moment
            outbox.forget_old(self._database)

    def deliver(self, stop: threading.Event | None = None) -> int:
        """Deliver what is due; how many tries that took."""
        tries = 0
        while not (stop and stop.is_set()):
            with self._database.reading() as session:
                if not sending.is_any_due(session):
                    break
            taken = sending.take(self._database)
            if taken is None:
                break
            sending.write_down(self._database, taken, sending.send(taken, self._settings))
            tries += 1
        return tries

    def _run(self, stop: threading.Event, is_first: bool) -> None:
        while not stop.is_set():
            try:
                if is_first:
                    self.look()
                self.deliver(stop)
            except DatabaseUnavailable as error:
                log.warning("database_unavailable", reason=str(error))
            except Exception:  # a fault of one round must not end the others
                log.exception("deliveries_failed")
            stop.wait(EVERY_S)
