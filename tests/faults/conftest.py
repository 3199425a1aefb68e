"""Whole programs as processes, real services that fail, and a checker of what is left."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core import queries, workers
from core.database.engine import Database
from core.database.models import Attempt, Job
from core.errors import DatabaseUnavailable
from core.settings import Settings
from core.storage.folder import Folder
from tests.faults import checker
from tests.faults.proxy import Proxy
from tests.faults.reference import References
from tests.services import Postgres, is_gone, wait_until, wait_until_gone
from tests.worker.conftest import LONG_DIGITS, QUICK_DIGITS, data_folder, submit

__all__ = ["data_folder", "submit"]

LEASE_S = 4.0

VARIANT = pytest.mark.variant
"""Another way to the same end as a test that stays in `make check`; `make faults` runs it."""
DISK = Path(__file__).parent / "disk"
MARK = "FAULT_TEST"

# a few seconds of training, so that there is time to disturb it; what can go wrong in a resume
# (momentum, schedule, random numbers, running means) is in it
STEADY_DIGITS = LONG_DIGITS | {
    "epochs": 100,
    "model": {"channels": [8], "dropout": 0.2},
    "optimizer": {"kind": "adamw"},
    "schedule": {"kind": "one_cycle"},
}


class Program:
    """A program of ours in a process group of its own."""

    def __init__(
        self,
        command: list[str],
        settings: Settings,
        log: Path,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._command = command
        self._environment = os.environ | settings.environment() | (environment or {})
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def only_set(self, *names: str) -> None:
        """Set these settings alone; what else a stack needs, it chooses by itself."""
        kept = {f"TRAINYARD_{name}" for name in names}
        for name in [n for n in self._environment if n.startswith("TRAINYARD_")]:
            if name not in kept:
                del self._environment[name]

    def start(self) -> subprocess.Popen[bytes]:
        """Start it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self._process

    def end(self) -> None:
        """Leave nothing of it behind."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class WorkerProcess:
    """A worker that runs, and what it has started."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, log: Path) -> None:
        self._process = process
        self.name = name
        self.log = log
        self.pid = process.pid

    @property
    def zygote(self) -> psutil.Process:
        """Its zygote."""
        [zygote] = psutil.Process(self.pid).children()
        return zygote

    def trainers(self) -> list[psutil.Process]:
        """What its zygote has forked: trainers, and spares where slots are free."""
        return [child for child in self.zygote.children() if not is_gone(child)]

    def trainer(self) -> psutil.Process:
        """The trainer of a worker with one slot that runs a job."""
        [trainer] = self.trainers()
        return trainer

    def all_processes(self) -> list[psutil.Process]:
        """Everything that it has started."""
        return psutil.Process(self.pid).children(recursive=True)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it outright."""
        self._process.kill()
        self._process.wait()

    def wait(self, timeout: float) -> int:
        """Wait for its end, and say how it ended."""
        return self._process.wait(timeout)

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None


@pytest.fixture
def mark() -> str:
    """A word in the environment of every process of a test."""
    return secrets.token_hex(8)


@pytest.fixture
def disk_faults(tmp_path: Path) -> Path:
    """A folder: a file `full` or `hangs` in it makes the disk of workers so."""
    folder = tmp_path / "disk-faults"
    folder.mkdir()
    return folder


@pytest.fixture
def start_worker(
    settings: Settings,
    data_folder: Path,
    tmp_path: Path,
    mark: str,
    database: Database,
    storage: Folder,
) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers; at the end of a test no process of theirs may be left."""
    started: list[Program] = []

    def start(environment: dict[str, str] | None = None, **changes: object) -> WorkerProcess:
        name = f"worker-{len(started) + 1}"
        chosen = settings.model_copy(
            update={"data": data_folder, "lease_seconds": LEASE_S, "worker_name": name} | changes
        )
        program = Program(
            [sys.executable, "-m", "worker"],
            chosen,
            tmp_path / f"{name}.log",
            {MARK: mark} | (environment or {}),
        )
        started.append(program)
        worker = WorkerProcess(program.start(), name, program.log)

        def is_live() -> bool:
            assert worker.is_running(), program.log.read_text()
            with database.reading() as session:
                return any(row.name == name for row in workers.live(session))

        wait_until(is_live, f"{name} is there")
        return worker

    yield start
    for program in started:
        program.end()
    wait_until_gone(marked(mark))
    for program in started:
        written = program.log.read_text()
        assert not [words for words in FAULTS_OF_OUR_OWN if words in written], written
    with contextlib.suppress(DatabaseUnavailable):  # a test may leave it so
        assert checker.left_behind(database, storage) == []


@pytest.fixture
def start_worker_with_disk(
    start_worker: Callable[..., WorkerProcess], disk_faults: Path
) -> Callable[..., WorkerProcess]:
    """Starts workers whose disk can be made slow or full."""
    environment = {"PYTHONPATH": str(DISK), "DISK_FAULTS": str(disk_faults)}
    return lambda **changes: start_worker(environment, **changes)


@pytest.fixture
def look(database: Database) -> Callable[[Job], Job]:
    """Reads a job as it is now."""

    def read(job: Job) -> Job:
        with database.reading() as session:
            return queries.job(session, job.id)[0]

    return read


@pytest.fixture
def attempts_of(database: Database) -> Callable[[Job], list[Attempt]]:
    """Reads the attempts of a job."""

    def read(job: Job) -> list[Attempt]:
        with database.reading() as session:
            return [row for row, _ in queries.attempts(session, job.id, 1000).items]

    return read


@pytest.fixture
def lines_of(database: Database) -> Callable[[Job], list[str]]:
    """Reads the log of a job."""

    def read(job: Job) -> list[str]:
        with database.reading() as session:
            return [row.text for row in queries.logs(session, job.id, 1000).items]

    return read


@pytest.fixture(scope="session")
def references(data_folder: Path) -> References:
    """What undisturbed runs end with, on one thread as in these tests."""
    return References(data_folder, threads=len(os.sched_getaffinity(0)))


@pytest.fixture
def verify(
    database: Database,
    storage: Folder,
    references: References,
    look: Callable[[Job], Job],
) -> Callable[..., None]:
    """Waits until jobs have ended as they should, then has the checker look at everything."""

    def wait_and_verify(expected: dict[Job, str], timeout: float = 120.0) -> None:
        for job, state in expected.items():

            def is_so(job: Job = job, state: str = state) -> bool:
                return look(job).state == state

            wait_until(is_so, f"job {job.id} is {state}, not {look(job).state}", timeout)
        assert checker.problems(database, storage, references) == []

    return wait_and_verify


FAULTS_OF_OUR_OWN = ("supervisor_failed", "polling_failed", "Exception in thread")
"""What a worker's log may never contain, whatever is done to the worker."""


on_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
"""For what SQLite has not: a server, and connections that can fail."""

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""For what PostgreSQL has not: one lock on everything."""


@pytest.fixture
def proxied(postgres: Postgres, database_address: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before PostgreSQL, and the database's address through it."""
    with Proxy(postgres.port) as proxy:
        yield proxy, database_address.replace(f":{postgres.port}/", f":{proxy.port}/")


def marked(mark: str) -> list[psutil.Process]:
    """The processes of a test, whoever their parents are by now."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and not is_gone(process):
                found.append(process)
    return found


def trains(look: Callable[[Job], Job], job: Job, epoch: int = 1) -> Callable[[], Any]:
    """A condition: the job trains, and is past an epoch."""
    return lambda: look(job).state == "running" and look(job).progress.epoch > epoch


def has_snapshot(look: Callable[[Job], Job], job: Job, step: int = 0) -> Callable[[], Any]:
    """A condition: the job trains, and has a snapshot beyond a step."""
    return lambda: look(job).state == "running" and look(job).secured_step > step


__all__ += ["LONG_DIGITS", "QUICK_DIGITS", "STEADY_DIGITS"]
