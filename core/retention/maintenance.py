"""The housekeeping that needs no GPU and no worker: what is over goes, a piece at a time.

Any number of processes may call it as often as they like. What must be done once, one of them does.
"""

from __future__ import annotations

from core import logs
from core.database.engine import Database
from core.errors import Unavailable
from core.jobs import deletion, snapshots, unnamed
from core.jobs.actors import CLEANER
from core.retention import cleaning, duties
from core.retention.policy import Policy
from core.storage.blobs import Storage

EVERY_S = 3600.0
"""The pause between two walks through the store, and through the runs."""

AFTER_A_FAILURE_S = 60.0

log = logs.get_logger(__name__)


def maintain(database: Database, storage: Storage, policy: Policy) -> bool:
    """Do a bounded piece of what there is to do.

    It may wait for the store, so it belongs into a thread that nobody waits for; and it deletes
    what no row names, so it is not called right after an outage of the database, in which rows
    could not be written.

    Returns:
        Whether there may be more to do at once.

    Raises:
        Unavailable: the database or the store is away; what was begun continues another time.
    """
    purged = deletion.purge(database)
    cleaned = _clean(database, policy)
    swept = snapshots.sweep(database, storage)
    walked = _walk(database, storage, policy)
    return bool(purged or cleaned or swept or walked)


def _clean(database: Database, policy: Policy) -> bool:
    position = duties.take(database, "clean")
    if position is None:
        return False
    piece = cleaning.clean(database, policy, CLEANER, int(position or 0))
    for kind, amount in piece.amounts.items():
        log.info("cleaned", kind=kind, runs=amount.runs, count=amount.count, bytes=amount.size)
    is_over = piece.next is None
    duties.give_back(database, "clean", str(piece.next or ""), EVERY_S if is_over else 0.0)
    return not is_over


def _walk(database: Database, storage: Storage, policy: Policy) -> bool:
    position = duties.take(database, "walk")
    if position is None:
        return False
    try:
        reached = unnamed.walk(database, storage, position, policy.unnamed_s)
    except Unavailable:
        duties.give_back(database, "walk", position, AFTER_A_FAILURE_S)
        raise
    duties.give_back(database, "walk", reached, 0.0 if reached else EVERY_S)
    return bool(reached)
