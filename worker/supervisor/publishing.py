"""Use of the file store by one job: with patience, and while the lease is kept.

A store that is away for a while must not cost a run of days.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from core import formats, logs
from core.errors import DatabaseUnavailable, Unavailable
from core.jobs.endings import Publication
from core.protocol.reports import File
from core.storage.blobs import Storage
from worker.supervisor.stopping import Stopping
from worker.supervisor.writing import ReportWriter

STORE_PATIENCE_S = 120.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0

Result = TypeVar("Result")

log = logs.get_logger(__name__)


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

        Raises:
            Unavailable: it was away for too long, or the job is to stop.
            LeaseLost: the job is no longer this attempt's.
        """
        with ThreadPoolExecutor(1, "store") as pool:
            future = pool.submit(logs.carried(lambda: self._with_patience(work)))
            while not wait([future], timeout=min(1.0, self._writer.renew_every_s)).done:
                self._keep_up()
            return future.result()

    def _with_patience(self, work: Callable[[], Result]) -> Result:
        began, pause = time.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                return work()
            except Unavailable as error:
                waited = time.monotonic() - began
                # the database may take its time: without it the run could not end either
                is_store = not isinstance(error, DatabaseUnavailable)
                if self._stopping.is_asked or (is_store and waited > STORE_PATIENCE_S):
                    raise
                log.warning("store_unavailable", reason=str(error))
                if is_store and waited < FIRST_PAUSE_S:
                    self._writer.log(
                        f"{error} Waiting for it, at most {formats.seconds(STORE_PATIENCE_S)}.",
                        "warning",
                    )
            time.sleep(pause)
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
