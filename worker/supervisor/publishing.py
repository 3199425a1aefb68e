"""Use of the file store by one job: with patience, and while the lease is kept.

A store that is away for a while must not cost a run of days.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from functools import partial
from pathlib import Path
from typing import TypeVar

from core import formats, logs
from core.errors import DatabaseUnavailable, Unavailable
from core.jobs.endings import Publication
from core.messages import message
from core.protocol.reports import File
from core.storage.blobs import Storage
from worker.supervisor import background
from worker.supervisor.stopping import STORE_PATIENCE_S, Stopping
from worker.supervisor.writing import ReportWriter

LONGEST_CALL_S = 1800.0
"""How long one file may travel. The stores have limits of their own; a folder that hangs has none.
"""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0

Result = TypeVar("Result")

log = logs.get_logger(__name__)


class _Tries:
    """The tries of one piece of work, as whoever waits for it sees them."""

    def __init__(self) -> None:
        self.are_over = threading.Event()
        """Whether another try would be in vain."""
        self._due: float | None = None
        self._began: float | None = None

    def begin(self) -> None:
        """A try begins."""
        self._began = time.monotonic()

    def end(self) -> None:
        """A try has ended: what follows is a pause."""
        self._began = None

    @property
    def waited_s(self) -> float:
        """Seconds since the one that is underway began."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def hurry(self, patience_s: float) -> None:
        """Make this the last one, and end it in so many seconds, by the first call."""
        self.are_over.set()
        if self._due is None:
            self._due = time.monotonic() + patience_s

    def is_over(self) -> bool:
        """Whether the one that is underway has taken too long."""
        is_due = self._due is not None and time.monotonic() >= self._due
        return is_due or self.waited_s >= LONGEST_CALL_S


class StoreAccess:
    """Does slow work with the file store in another thread, and keeps the lease meanwhile."""

    def __init__(
        self, writer: ReportWriter, stopping: Stopping, keep_up: Callable[[], None]
    ) -> None:
        """Take note of the job.

        Args:
            writer: of the job's reports.
            stopping: of the job; once it is to stop, nobody waits for the store any more.
            keep_up: does what is due meanwhile; called at least once a second.
        """
        self._writer = writer
        self._stopping = stopping
        self._keep_up = keep_up

    def run(self, work: Callable[[], Result]) -> Result:
        """Do some work, and again while the store or the database is away.

        A job that is to stop waits for no other try, and for one that does not answer as long as
        a trainer may take to stop.

        Raises:
            Unavailable: it was away, or did not answer, for too long, or the job is to stop.
            LeaseLost: the job is no longer this attempt's.
        """
        tries = _Tries()
        future = background.begin(partial(self._with_patience, work, tries), "store")
        try:
            while not wait([future], timeout=min(1.0, self._writer.renew_every_s)).done:
                self._keep_up()
                if self._stopping.is_asked:
                    tries.hurry(self._stopping.grace_seconds)
                if tries.is_over():
                    raise Unavailable(message("storage.hangs", waited_s=tries.waited_s))
        finally:
            tries.are_over.set()
        return future.result()

    def _with_patience(self, work: Callable[[], Result], tries: _Tries) -> Result:
        began, pause = time.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                tries.begin()
                return work()
            except Unavailable as error:
                tries.end()
                waited = time.monotonic() - began
                # the database may take its time: without it the run could not end either
                is_store = not isinstance(error, DatabaseUnavailable)
                is_late = is_store and waited > STORE_PATIENCE_S
                if is_late or tries.are_over.is_set() or self._stopping.is_asked:
                    raise
                failure = error
                log.warning("store_unavailable", reason=str(error))
                if is_store and waited < FIRST_PAUSE_S:
                    self._writer.log(
                        f"{error} Waiting for it, at most {formats.seconds(STORE_PATIENCE_S)}.",
                        "warning",
                    )
            if tries.are_over.wait(pause):
                raise failure
            pause = min(LONGEST_PAUSE_S, pause * 2)


def publish(
    access: StoreAccess, storage: Storage, files: Sequence[File], epoch: int
) -> list[Publication]:
    """Put the files of a finished run into the file store.

    Raises:
        Unavailable: the store was away for too long, or the job is to stop.
        LeaseLost: the job is no longer this attempt's.
    """
    return [_publish(access, storage, file, epoch) for file in files]


def _publish(access: StoreAccess, storage: Storage, file: File, epoch: int) -> Publication:
    blob = access.run(lambda: storage.put(Path(file.path)))
    return Publication(blob, epoch, file.format, file.filename)
