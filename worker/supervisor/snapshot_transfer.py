"""The snapshots of one attempt: fetched for its trainer, and brought into the file store.

The trainer writes them into its scratch folder and trains on. They are stored in the background,
one at a time; where a newer one comes meanwhile, those between are left out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import IO, Self

from core import formats, logs
from core.database.engine import Database
from core.errors import NotFound, Unavailable
from core.jobs import snapshots
from core.jobs.lease import Lease
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.messages import message
from core.protocol.reports import Line, Saved
from core.storage.blobs import Blob, Storage, digest
from worker.supervisor import background

CHUNK_BYTES = 1024 * 1024
SLOW_AFTER_S = 120.0
"""After so long the log says that a snapshot is still not stored."""

log = logs.get_logger(__name__)


class SnapshotTransfer:
    """Stores the snapshots of one attempt. Use as a context manager.

    What is still underway at the end is left to itself: nobody hears of it, and no row names it.
    """

    def __init__(self, storage: Storage, recorder: Recorder, done: Callable[[], None]) -> None:
        """Begin.

        Args:
            storage: the file store.
            recorder: writes down the snapshots that are stored.
            done: called from another thread when `settle` has something to do; not after the end.
        """
        self._storage = storage
        self._recorder = recorder
        self._done = done
        self._storing: tuple[Saved, Future[Blob]] | None = None
        self._next: Saved | None = None
        self._has_failed = False
        self._slow_at = 0.0
        self._lock = threading.Lock()
        self._has_ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._has_ended = True

    def take(self, saved: Saved) -> None:
        """Store a snapshot that the trainer has written."""
        if self._next is not None:
            Path(self._next.path).unlink(missing_ok=True)
        self._next = saved
        self._advance()

    def settle(self) -> None:
        """Record what has been stored since."""
        if self._storing is not None and self._storing[1].done():
            saved, future = self._storing
            self._storing = None
            Path(saved.path).unlink(missing_ok=True)
            try:
                self._recorder.secure(SnapshotRef(saved.epoch, saved.step, future.result()))
                self._has_failed = False
            except (Unavailable, OSError) as error:
                self._warn(str(error))
        elif self._storing and not self._has_failed and time.monotonic() >= self._slow_at:
            self._warn(f"the file store has not answered for {formats.seconds(SLOW_AFTER_S)}.")
        self._advance()

    def wait(self, timeout: float) -> bool:
        """Wait for what is being stored; False where some still is after `timeout` seconds.

        Snapshots that were not begun because too many wait for the database are left out.
        """
        if self._storing is not None:
            wait([self._storing[1]], timeout)
            self.settle()
        return self._storing is None

    def _advance(self) -> None:
        # while the database is away, rows cannot follow: so no blobs should pile up either
        may_store = self._recorder.snapshots_waiting < snapshots.KEPT
        if self._storing is None and self._next is not None and may_store:
            saved, self._next = self._next, None
            future = background.begin(partial(self._storage.put, Path(saved.path)), "snapshot")
            self._storing = (saved, future)
            self._slow_at = time.monotonic() + SLOW_AFTER_S
            future.add_done_callback(self._tell)

    def _tell(self, _: Future[Blob]) -> None:
        with self._lock:
            if not self._has_ended:
                self._done()

    def _warn(self, why: str) -> None:
        log.warning("snapshot_not_stored", reason=why)
        if not self._has_failed:  # once, until one can be stored again
            self._recorder.record(
                Line(
                    level="warning",
                    text=f"A snapshot could not be stored: {why} Training continues; if the run "
                    "is interrupted, it resumes from the snapshot before.",
                )
            )
        self._has_failed = True


def fetch(
    database: Database, storage: Storage, lease: Lease, scratch: Path
) -> tuple[Path | None, list[Line]]:
    """Fetch the newest snapshot of a job whose bytes are intact.

    Returns:
        Its file in the scratch folder, or None where there is none; and lines for the run's log.

    Raises:
        Unavailable: the store or the database is away.
    """
    log_lines: list[Line] = []
    with database.reading() as session:
        found = snapshots.newest_first(session, lease.job_id)
    target = scratch / "resume-from.pt"
    for snapshot in found:
        try:
            if _copy(storage, snapshot.blob, target):
                return target, log_lines
            problem = "is damaged"
        except NotFound:
            problem = "is missing"
        log_lines.append(
            Line(
                level="warning",
                text=f"The snapshot after {snapshot.step} batches {problem}; it is skipped.",
            )
        )
    if found:
        log_lines.append(Line(level="warning", text="No snapshot is left: the run starts over."))
    return None, log_lines


def fetch_initial(storage: Storage, blob: Blob, scratch: Path) -> Path | None:
    """Fetch the weights that a job begins with; None where they are gone or damaged.

    Raises:
        Unavailable: the store is away.
    """
    target = scratch / "initial-weights.pt"
    try:
        return target if _copy(storage, blob, target) else None
    except NotFound:
        return None


def _copy(storage: Storage, blob: Blob, target: Path) -> bool:
    """Copy a blob into a file; False where its bytes are not what they were."""
    with storage.open(blob) as source, target.open("wb") as copy:
        while chunk := _read(source):
            copy.write(chunk)
    return digest(target) == blob


def _read(source: IO[bytes]) -> bytes:
    try:
        return source.read(CHUNK_BYTES)
    except OSError as error:
        detail = error.strerror or str(error)
        raise Unavailable(message("storage.not_readable", detail=detail)) from error
