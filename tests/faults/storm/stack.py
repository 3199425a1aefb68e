"""The services and workers of a storm: real ones. A worker that has ended is started again."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import psutil
from sqlalchemy import ColumnElement, make_url, select, text

from core import hosts
from core.database import engine
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Job
from core.datasets.builtin import DATASETS
from core.errors import DatabaseUnavailable
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.storage.folder import Folder
from tests.faults.conftest import DISK
from tests.faults.proxy import Proxy
from tests.faults.storm.worker import StormWorker
from tests.services import Postgres, RedisServer
from worker.training.data import download

LEASE_S = 4.0
HANG_S = 15.0
MARK = "CHAOS"

T = TypeVar("T")

STEPPED_CLOCK = (
    "CREATE SCHEMA storm",
    "CREATE TABLE storm.clock (ahead interval NOT NULL)",
    "INSERT INTO storm.clock VALUES ('0')",
    """CREATE FUNCTION storm.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
        AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM storm.clock'""",
)
"""What PostgreSQL finds before its own clock, where the search path says so."""


class Stack:
    """What a storm rages over. Workers that have ended are started again, until `stop`."""

    def __init__(
        self, chosen: argparse.Namespace, folder: Path, stack: contextlib.ExitStack
    ) -> None:
        self.folder = folder
        self._stack = stack
        self._mark = secrets.token_hex(8)
        self.redis = stack.enter_context(RedisServer(folder))
        self.postgres: Postgres | None = None
        if chosen.database == "postgresql":
            self.postgres = stack.enter_context(Postgres())
            address = self.postgres.new_database()
        else:
            address = f"sqlite:///{folder / 'trainyard.db'}"
        self.settings = Settings(
            home=folder / "home",
            database_url=address,
            redis_url=self.redis.url,
            slots=1,
            lease_seconds=LEASE_S,
            grace_seconds=5.0,
            hang_seconds=HANG_S,
        )
        download.ensure("digits", self.settings.data_folder, lambda _text: None)
        (self.settings.data_folder / hosts.FOLDER).mkdir()
        engine.upgrade(address)
        if self.postgres:
            _cover_clock(address)
        self.tables = stack.enter_context(Database(address))
        self.storage = Folder(self.settings.home / "artifacts")
        self.notifier = Notifier(self.redis.url)
        self.wakeups = Wakeups(self.redis.url)
        self._ending = threading.Event()
        self.workers = [StormWorker(self, number) for number in range(chosen.workers)]
        threading.Thread(target=self._keep_workers, daemon=True).start()

    def stop(self) -> None:
        """End the workers."""
        self._ending.set()
        for worker in self.workers:
            worker.end()

    def _keep_workers(self) -> None:
        """Start workers that have ended again."""
        while not self._ending.wait(0.5):
            for worker in self.workers:
                worker.revive()

    def jobs(self, *which: ColumnElement[bool]) -> list[Job]:
        with self.tables.reading() as session:
            return list(session.scalars(select(Job).where(*which).order_by(Job.id)))

    def moment(self) -> datetime:
        """Now, by the clock of the database, as it was set."""
        with self.tables.reading() as session:
            moment: datetime = session.scalars(select(now())).one()
            return moment

    def insist_on(self, ask: Callable[[], T]) -> T:
        """Ask the database until it is there."""
        while True:
            try:
                return ask()
            except DatabaseUnavailable:
                time.sleep(0.1)

    def is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return (
                process.environ().get(MARK) == self._mark
                and process.status() != psutil.STATUS_ZOMBIE
            )
        return False

    def start_worker(self, number: int, worker: StormWorker) -> subprocess.Popen[bytes]:
        """Start a worker on a core of its own: one thread, as the reference has."""
        address = self.settings.database_address
        if worker.proxy is not None and self.postgres is not None:
            address = address.replace(f":{self.postgres.port}/", f":{worker.proxy.port}/")
        redis_url = self.redis.url.replace(f":{self.redis.port}/", f":{worker.broker.port}/")
        settings = self.settings.model_copy(
            update={
                "worker_name": worker.name,
                "data": worker.data,
                "database_url": address,
                "redis_url": redis_url,
            }
        )
        path = os.pathsep.join(filter(None, (str(DISK), os.environ.get("PYTHONPATH"))))
        own = {MARK: self._mark, "PYTHONPATH": path, "DISK_FAULTS": str(worker.disk)}
        cores = sorted(os.sched_getaffinity(0))
        core = cores[number % len(cores)]
        program = (
            f"import os, runpy; os.sched_setaffinity(0, {{{core}}}); "
            "runpy.run_module('worker', run_name='__main__')"
        )
        with (self.folder / f"worker-{number}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", program],
                env=os.environ | settings.environment() | own,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def proxy(self) -> Proxy | None:
        """A proxy before PostgreSQL."""
        return self._stack.enter_context(Proxy(self.postgres.port)) if self.postgres else None

    def broker(self) -> Proxy:
        """A proxy before Redis."""
        return self._stack.enter_context(Proxy(self.redis.port))

    def disk(self, number: int) -> Path:
        """A folder whose files say what the disk of a worker suffers from."""
        folder = self.folder / f"disk-{number}"
        folder.mkdir()
        return folder

    def data(self, number: int) -> Path:
        """The data folder of a worker. The locks of all are those of one host."""
        whole, folder = self.settings.data_folder, self.folder / f"data-{number}"
        shutil.copytree(whole / DATASETS["digits"].folder, folder / DATASETS["digits"].folder)
        (folder / hosts.FOLDER).symlink_to(whole / hosts.FOLDER)
        return folder


def _cover_clock(address: str) -> None:
    """Let whoever connects from now on read a clock that can be set."""
    name = make_url(address).database
    with Database(address) as database, database.writing() as session:
        for statement in STEPPED_CLOCK:
            session.execute(text(statement))
        session.execute(text(f"ALTER DATABASE {name} SET search_path = storm, pg_catalog, public"))
