"""Files that a page wants of a worker: there, or why not yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from flask import request

from core import derived, workers
from core.asked import Request
from core.database.models import DerivedFile
from core.errors import NotFound
from core.messages import Message, message
from core.messaging.pubsub import NO_JOB
from core.storage.blobs import Blob
from webui.context import current

AGAIN = "again"
"""What stands in an address that asks once more for what has failed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that was asked for."""

    key: str
    blob: Blob | None
    """Its bytes; None: they are not there yet."""
    why: Message | None
    """Why not."""
    has_failed: bool
    """Whether waiting is of no use."""


def want(asked: Request) -> Wanted:
    """Ask for a file, once more where the address says so."""
    row, is_new = derived.ask(current().database, asked, again=AGAIN in request.args)
    if is_new:
        current().wakeups.announce("derived", NO_JOB)
    return of(row)


def of(row: DerivedFile) -> Wanted:
    """A file as its row says."""
    blob = derived.blob_of(row)
    why = None if blob else _why_it_waits(row)
    return Wanted(row.key, blob, why, has_failed=row.error is not None and blob is None)


def opened(wanted: Wanted) -> IO[bytes] | None:
    """A file for reading; None where it is not there, or not any more: then it is asked for again.

    Raises:
        Unavailable: the store is away.
    """
    if wanted.blob is None:
        return None
    try:
        return current().storage.open(wanted.blob)
    except NotFound:
        derived.lose(current().database, wanted.key)
        return None


def _why_it_waits(row: DerivedFile) -> Message:
    if row.error is not None:
        return row.error
    if row.taken_at is not None:
        return message("derived.being_computed")
    with current().database.reading() as session:
        if workers.serving(session):
            return message("derived.waits")
        if workers.live(session):
            return message("derived.all_drained")
        return message(
            "derived.worker_starting" if workers.starting(session) else "derived.no_worker"
        )
