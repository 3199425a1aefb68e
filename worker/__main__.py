"""A worker: `python -m worker`. Celery hears the notifier; the database says what to run."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from celery.signals import worker_shutting_down

from core import settings, workers
from core.database.engine import Database
from core.errors import DatabaseUnavailable, TrainyardError
from core.jobs.claim import Claimant
from core.messaging.notify import Notifier
from core.messaging.pubsub import Topic, Wakeups
from core.settings import Settings
from core.storage import store
from core.workers import WorkerFacts
from worker import claiming, devices
from worker.context import Yard
from worker.devices import Slots
from worker.heartbeat import Housekeeping
from worker.processes.spares import Spares
from worker.processes.zygote import Zygote, ZygoteGone
from worker.tasks.draw_preview import Previews

WAIT_FOR_DATABASE_S = 60
WAIT_FOR_ZYGOTE_S = 300.0
END_MARGIN_S = 10.0
"""To store snapshots and to write the ends, after the grace that trainers have."""

log = logging.getLogger("worker")


def main() -> None:
    """Work until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s")
    try:
        chosen = settings.load()
        if not chosen.worker_name:
            chosen = chosen.model_copy(update={"worker_name": socket.gethostname()[:120]})
        work(set_up(chosen))
    except TrainyardError as error:
        sys.exit(str(error))


def set_up(chosen: Settings) -> Yard:
    """Find the devices, reach the database, and write down that this worker is there."""
    found = devices.find_devices()
    divided = devices.divide(found, chosen.slots)
    zygote = Zygote(chosen.data_folder)
    zygote.start()  # it imports torch while we wait for the database
    database = Database(chosen.database_address, pool_size=len(divided) + 4)
    facts = WorkerFacts(
        name=chosen.worker_name,
        process_id=os.getpid(),
        version=version("trainyard"),
        queues=chosen.queues,
        devices=[device.facts() for device in found],
        slots=len(divided),
        threads=divided[0].threads,
    )
    slots = Slots(divided)
    spares = Spares(zygote)
    try:
        zygote.wait_until_ready(WAIT_FOR_ZYGOTE_S)
    except ZygoteGone:
        spares.close()
        raise
    spares.tend(slots)
    return Yard(
        settings=chosen,
        database=database,
        storage=store.connect(chosen.storage_address),
        notifier=Notifier(chosen.redis_url),
        wakeups=Wakeups(chosen.redis_url),
        slots=slots,
        spares=spares,
        claimant=Claimant(
            # whoever is registered can run jobs at once
            worker_id=_register(database, facts),
            queues=chosen.queues,
            max_capacity=devices.capacity(divided),
            name=chosen.worker_name,
        ),
    )


def work(yard: Yard) -> None:
    """Serve the queues until a signal says to stop; then drain."""
    stop_listening = threading.Event()
    previews = Previews(yard)
    previews.start()
    heard: dict[Topic, Callable[[int], None]] = {
        "asked": yard.alarms.sound,
        "preview": previews.wake,
    }
    for topic, hear in heard.items():
        threading.Thread(
            target=yard.wakeups.listen,
            args=(topic, hear, stop_listening),
            name="wakeups",
            daemon=True,
        ).start()
    housekeeping = Housekeeping(yard)
    housekeeping.start()

    def drain(*_: Any, **__: Any) -> None:
        log.info("stopping: running jobs go back to the queue")
        # the signal may interrupt any line of the main thread, one that holds a lock included
        threading.Thread(target=yard.drain, name="drain").start()

    worker_shutting_down.connect(drain)
    claiming.register(yard.notifier.app, yard)
    log.info(
        "worker %s serves %s with %d slot(s) on %s",
        yard.settings.worker_name,
        ", ".join(yard.settings.queues),
        len(yard.slots.all),
        ", ".join(sorted({slot.device.name for slot in yard.slots.all})),
    )
    try:
        yard.notifier.app.worker_main(_celery_arguments(yard))
    finally:
        yard.drain()
        yard.slots.wait_until_all_free(yard.settings.grace_seconds + END_MARGIN_S)
        housekeeping.stop()
        previews.stop()
        stop_listening.set()
        yard.spares.close()
        try:
            workers.mark_stopped(yard.database, yard.claimant.worker_id)
        except DatabaseUnavailable as error:
            log.warning("the worker's end could not be written: %s", error)


def _celery_arguments(yard: Yard) -> list[str]:
    return [
        "worker",
        "--pool=threads",  # a thread waits for a process of its own; nothing is computed here
        f"--concurrency={len(yard.slots.all)}",
        f"--queues={','.join(yard.settings.queues)}",
        f"--hostname={os.getpid()}@{socket.gethostname()}",
        "--loglevel=WARNING",
        # workers know of each other by the database
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]


def _register(database: Database, facts: WorkerFacts) -> int:
    """Register, with patience for a database that starts at the same time."""
    for remaining in reversed(range(WAIT_FOR_DATABASE_S)):
        try:
            return workers.register(database, facts)
        except DatabaseUnavailable as error:
            if not remaining:
                raise
            log.warning("%s", error)
            threading.Event().wait(1.0)
    raise AssertionError("unreachable: the last try returns or raises")


if __name__ == "__main__":
    main()
