"""What a worker does when it is rung for: claim, run, and look again until nothing is left."""

from __future__ import annotations

import logging

from celery import Celery

from core import queue
from core.doorbell import TASK
from core.errors import DatabaseUnavailable
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
        while not yard.draining.is_set():
            lease = queue.claim(yard.database, yard.claimant, yard.settings.lease_seconds)
            if lease is None:
                return
            log.info("job %s: attempt %s starts", lease.job_id, lease.attempt)
            Supervisor(yard, lease, slot).run()
    except DatabaseUnavailable as error:
        log.warning("no job can be claimed: %s", error)
    finally:
        yard.slots.give_back(slot)
