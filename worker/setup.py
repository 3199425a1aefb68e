"""Setting a worker up: its devices, the database, the zygote, and its row in the workers' table."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from core import hosts, logs, versions, workers
from core.database.engine import Database
from core.datasets.builtin import present
from core.errors import DatabaseUnavailable
from core.hosts import HeldLock
from core.jobs.claim import Claimant
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.storage import store
from core.workers import WorkerFacts
from worker.context import WorkerContext
from worker.devices import Device, driver_version, find_devices
from worker.gauges import Gauges
from worker.processes.spares import Spares
from worker.processes.zygote import Zygote, ZygoteGone
from worker.slots import Slot, Slots, capacity, divide

BEAT_EVERY_S = 5.0
"""While it starts: reading torch may take longer than a worker may be silent."""
WAIT_FOR_DATABASE_S = 60
WAIT_FOR_ZYGOTE_S = 300.0
RUNTIMES = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu13", "nvidia-cuda-runtime-cu12")
"""The packages that bring CUDA for torch, the newest first."""

log = logs.get_logger(__name__)


def set_up(settings: Settings) -> WorkerContext:
    """Find the devices, reach the database, and register this worker.

    Raises:
        DatabaseUnavailable: the database did not answer for a minute.
        ZygoteGone: torch cannot be imported.
    """
    devices = find_devices()
    slots = Slots(divide(devices, settings.slots))
    lock = _take_lock(settings)
    zygote = Zygote(settings.data_folder, [lock.descriptor] if lock else ())
    zygote.start()  # it imports torch while we wait for the database
    database = Database(settings.database_address, pool_size=len(slots.all) + 4)
    facts = _facts(settings, devices, slots.all, lock)
    # without slots, so that people see that it comes, and nothing counts on it yet
    worker_id = _register(database, replace(facts, slots=0))
    with _starting(database, worker_id, replace(facts, slots=0)):
        spares = _warm_spares(zygote, slots)
    workers.ready(database, worker_id, facts)  # last: from now on it can be given runs
    return WorkerContext(
        settings=settings,
        database=database,
        storage=store.connect(settings.storage_address, settings.storage_keys),
        notifier=Notifier(settings.redis_url),
        wakeups=Wakeups(settings.redis_url),
        slots=slots,
        spares=spares,
        facts=facts,
        claimant=Claimant(
            worker_id=worker_id,
            queues=settings.queues,
            max_capacity=capacity(slots.all),
            name=settings.worker_name,
        ),
        lock=lock,
        gauges=Gauges(devices, slots, settings.data_folder),
    )


@contextmanager
def _starting(database: Database, worker_id: int, facts: WorkerFacts) -> Iterator[None]:
    """Heartbeats while the block runs; where it fails, the worker has stopped."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_EVERY_S):
            try:
                workers.heartbeat(database, worker_id, facts)
            except DatabaseUnavailable as error:
                log.warning("database_unavailable", reason=str(error))

    thread = threading.Thread(target=beat, name="starting", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        workers.mark_stopped(database, worker_id)
        raise
    finally:
        over.set()
        thread.join()


def _take_lock(settings: Settings) -> HeldLock | None:
    """The lock by which others see the end of this worker; None where its host has none to give."""
    if hosts.boot() is None:
        return None
    try:
        return HeldLock.take(settings.data_folder)
    except OSError as error:
        log.warning("no_lock", reason=str(error))
        return None


def _warm_spares(zygote: Zygote, slots: Slots) -> Spares:
    """A spare trainer for each slot."""
    spares = Spares(zygote)
    try:
        zygote.wait_until_ready(WAIT_FOR_ZYGOTE_S)
    except ZygoteGone:
        spares.close()
        raise
    spares.tend(slots)
    return spares


def _facts(
    settings: Settings, devices: Sequence[Device], slots: Sequence[Slot], lock: HeldLock | None
) -> WorkerFacts:
    return WorkerFacts(
        name=settings.worker_name,
        process_id=os.getpid(),
        version=versions.own(),
        queues=settings.queues,
        devices=[device.facts() for device in devices],
        slots=len(slots),
        threads=slots[0].threads,
        host=hosts.boot() if lock else None,
        lock=lock.name if lock else None,
        versions=_versions(devices),
        datasets=present(settings.data_folder),
    )


def _versions(devices: Sequence[Device]) -> dict[str, str]:
    """What is installed here, as far as it is known: of CUDA, what torch brings with it."""
    found = {"python": platform.python_version(), "torch": versions.of_package("torch")}
    if any(device.kind == "cuda" for device in devices):
        runtimes = map(versions.of_package, RUNTIMES)
        found |= {"cuda": next(filter(None, runtimes), None), "driver": driver_version()}
    return {name: version for name, version in found.items() if version}


def _register(database: Database, facts: WorkerFacts) -> int:
    """Register, with patience for a database that starts at the same time."""
    for remaining in reversed(range(WAIT_FOR_DATABASE_S)):
        try:
            return workers.register(database, facts)
        except DatabaseUnavailable as error:
            if not remaining:
                raise
            log.warning("database_unavailable", reason=str(error))
            threading.Event().wait(1.0)
    raise AssertionError("unreachable: the last try returns or raises")
