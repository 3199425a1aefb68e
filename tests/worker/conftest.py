"""What the worker's tests share: the digits on disk, and a worker inside the test's process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core import workers
from core.database.engine import Database
from core.database.models import Job
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.spec.presets import resolve
from core.storage.folder import Folder
from core.workers import WorkerFacts
from worker.context import WorkerContext
from worker.devices import Device
from worker.processes.spares import Spares
from worker.processes.zygote import Zygote
from worker.slots import Slot, Slots
from worker.training.data import download

QUICK_DIGITS = {"dataset": "digits", "model": {"channels": [8]}, "batch_size": 64, "epochs": 2}
LONG_DIGITS = QUICK_DIGITS | {"epochs": 1000}


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the digits in it."""
    folder = tmp_path_factory.mktemp("data")
    download.ensure("digits", folder, lambda _text: None)
    return folder


@contextlib.contextmanager
def ready_zygote(data_folder: Path) -> Iterator[Zygote]:
    """A zygote that can fork."""
    made = Zygote(data_folder)
    made.start()
    try:
        made.wait_until_ready(120)
        yield made
    finally:
        made.stop()


def process_of(zygote: Zygote) -> psutil.Process:
    """The process of a zygote that runs."""
    assert zygote._process is not None
    return psutil.Process(zygote._process.pid)


@pytest.fixture(scope="session")
def zygote(data_folder: Path) -> Iterator[Zygote]:
    """A zygote for all tests of a process: it takes seconds to start."""
    with ready_zygote(data_folder) as made:
        yield made


@pytest.fixture
def mortal(data_folder: Path) -> Iterator[Zygote]:
    """A zygote that a test may kill."""
    with ready_zygote(data_folder) as made:
        yield made


@pytest.fixture
def context(
    settings: Settings, database: Database, storage: Folder, data_folder: Path, zygote: Zygote
) -> Iterator[WorkerContext]:
    """A worker with one CPU slot, whose supervisors run in the test's own threads."""
    chosen = settings.model_copy(
        update={"data": data_folder, "worker_name": "test", "grace_seconds": 5.0}
    )
    facts = WorkerFacts("test", 1, "0", ["default"], [], 1)
    made = WorkerContext(
        settings=chosen,
        database=database,
        storage=storage,
        notifier=Notifier(settings.redis_url),
        wakeups=Wakeups(settings.redis_url),
        slots=Slots([Slot(0, Device("cpu", "CPU"), threads=1)]),
        spares=Spares(zygote),
        claimant=Claimant(workers.register(database, facts), ["default"]),
    )
    yield made
    made.drain()
    made.spares.end()


@pytest.fixture
def submit(database: Database) -> Callable[..., Job]:
    """Puts a run of the digits into the queue."""

    def put(changes: dict[str, Any] = QUICK_DIGITS, name: str = "digits") -> Job:
        return lifecycle.submit(database, LOCAL_OWNER, name=name, spec=resolve("quick", changes))

    return put
