"""A worker in a storm: a real process that is started again when it has ended, and what makes it
unfit for a while.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import psutil

from core.database.models import Attempt
from core.datasets.builtin import DATASETS
from tests.faults.proxy import Proxy


class Host(Protocol):
    """What a worker is given by the storm that it is in."""

    def start_worker(self, number: int, worker: StormWorker) -> subprocess.Popen[bytes]: ...

    def proxy(self) -> Proxy | None: ...

    def broker(self) -> Proxy: ...

    def disk(self, number: int) -> Path: ...

    def data(self, number: int) -> Path: ...


@dataclass(slots=True)
class Unfit:
    """A time, by the database's clock, in which a worker is unfit."""

    worker: str
    since: datetime
    then: str
    until: datetime | None = None

    def explains(self, attempt: Attempt, worker: str) -> bool:
        """Whether an attempt of a worker may have met it."""
        assert attempt.finished_at is not None
        has_begun = self.until is None or attempt.started_at <= self.until
        return worker == self.worker and has_begun and attempt.finished_at >= self.since


class StormWorker:
    """A worker that is started again when it has ended."""

    def __init__(self, storm: Host, number: int) -> None:
        self._storm = storm
        self._number = number
        self.name = f"worker-{number}"
        self._lock = threading.Lock()
        self.proxy = storm.proxy()
        self.broker = storm.broker()
        self.disk = storm.disk(number)
        self.data = storm.data(number)
        self._process: subprocess.Popen[bytes] | None = storm.start_worker(number, self)

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            alive = self._process is not None and self._process.poll() is None
            return self._process if alive else None

    def zygote(self) -> psutil.Process | None:
        process = self.process
        children = psutil.Process(process.pid).children() if process else []
        return children[0] if children else None

    def trainers(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            zygote = self.zygote()
            return zygote.children() if zygote else []
        return []

    def kill(self) -> bool:
        process = self.process
        if process is not None:
            process.kill()
        return process is not None

    def drain(self) -> bool:
        process = self.process
        if process is not None:
            process.terminate()
        return process is not None

    def fill_disk(self) -> None:
        (self.disk / "full").touch()

    def clear_disk(self) -> None:
        (self.disk / "full").unlink()

    def lose_data(self) -> None:
        # the folder stays: one that is not there would be fetched again
        for file in self._data_files():
            file.rename(file.with_name(f".{file.name}"))
        self.kill()

    def find_data(self) -> None:
        for file in self._data_files():
            file.rename(file.with_name(file.name.removeprefix(".")))

    def _data_files(self) -> list[Path]:
        return list((self.data / DATASETS["digits"].folder).iterdir())

    def revive(self) -> None:
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._process = self._storm.start_worker(self._number, self)

    def end(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.send_signal(signal.SIGCONT)
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(60)
                self._process.kill()
                self._process.wait()
                self._process = None
