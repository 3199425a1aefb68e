"""What a worker does when it is rung for: claim, run, and look again until nothing is left."""

from __future__ import annotations

import logging

from celery import Celery

from core import queue
from core.doorbell import TASK
from core.errors import DatabaseUnavailable
from worker.devices import Slot
from worker.supervisor import Supervisor
from worker.yard import Yard

log = logging.getLogger(__name__)


def register(app: Celery, yard: Yard) -> None:
    """Answer the doorbell."""

    def look() -> None:
        run_next(yard)

    app.task(name=TASK, ignore_result=True)(look)


def run_next(yard: Yard) -> None:
    """Run jobs in a free slot until there is none to run. Returns at once where no slot is free."""
    slot = yard.slots.take()
    if slot is None:
        return  # whoever holds a slot looks again when its job ends
    try:
        while _run_one(yard, slot):
            pass
    except DatabaseUnavailable as error:
        log.warning("no job can be claimed: %s", error)
    finally:
        yard.slots.give_back(slot)


def _run_one(yard: Yard, slot: Slot) -> bool:
    """Claim and run one job; False where there is none.

    Without a trainer nothing is claimed: another worker may have one.
    """
    trainer = None if yard.draining.is_set() else yard.spares.take(slot)
    if trainer is None:
        return False
    try:
        lease = queue.claim(yard.database, yard.claimant, yard.settings.lease_seconds)
    except BaseException:
        yard.spares.put_back(slot, trainer)
        raise
    if lease is None:
        yard.spares.put_back(slot, trainer)
        return False
    log.info("job %s: attempt %s starts", lease.job_id, lease.attempt)
    Supervisor(yard, lease, slot, trainer).run()
    return True
