"""Whole programs as processes: a worker, and the embedded stack."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core import queries
from core.database import Database
from core.models import Job
from core.settings import Settings
from tests.worker.conftest import data_folder, submit

__all__ = ["data_folder", "submit"]


class Program:
    """A program of ours in a process group of its own."""

    def __init__(self, command: list[str], settings: Settings, log: Path) -> None:
        self._command = command
        self._environment = os.environ | settings.environment()
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
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def start_worker(
    settings: Settings, data_folder: Path, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a worker as a process of its own."""
    started: list[Program] = []

    def start(**changes: object) -> subprocess.Popen[bytes]:
        name = f"worker-{len(started) + 1}"
        chosen = settings.model_copy(
            update={"data": data_folder, "lease_seconds": 2.0, "worker_name": name} | changes
        )
        program = Program([sys.executable, "-m", "worker"], chosen, tmp_path / f"{name}.log")
        started.append(program)
        return program.start()

    yield start
    for program in started:
        program.end()


@pytest.fixture
def look(database: Database) -> Callable[[Job], Job]:
    """Reads a job as it is now."""

    def read(job: Job) -> Job:
        with database.reading() as session:
            return queries.job(session, job.id)[0]

    return read
