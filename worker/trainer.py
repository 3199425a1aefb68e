"""A trainer as its supervisor sees it: a process in a group of its own, and a socket."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from core import reports
from core.reports import Report
from worker.training.order import STOP, Order

OUTPUT_TAIL_BYTES = 4000
# a trainer has no business with our database, broker or file store
SECRET_PREFIXES = ("TRAINYARD_", "AWS_", "PG", "REDIS_")


class Trainer:
    """A running training process. Use as a context manager: at the end no process is left."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self._buffer = b""
        self._socket: socket.socket
        self._process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, order: Order, environment: Mapping[str, str]) -> Trainer:
        """Start a process and send it its order."""
        trainer = cls(order.scratch)
        ours, theirs = socket.socketpair()
        with theirs, trainer._output.open("wb") as output:
            trainer._process = subprocess.Popen(
                [sys.executable, "-m", "worker.training", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_clean_environment() | dict(environment),
                start_new_session=True,  # so that whatever it starts can be killed with it
            )
        trainer._socket = ours
        with contextlib.suppress(OSError):  # it died at once: read() will say so
            ours.sendall(order.model_dump_json().encode() + b"\n")
        return trainer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._socket.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def read(self, timeout: float, wake: int) -> list[Report] | None:
        """Wait for reports, at most `timeout` seconds or until descriptor `wake` is readable.

        Returns:
            The reports that came, perhaps none; or None when the trainer's socket has ended.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(wake, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(max(0.0, timeout) * 1000)]
        if self._socket.fileno() not in ready:
            return []
        try:
            received = self._socket.recv(1 << 16)
        except ConnectionError:
            received = b""
        if not received:
            return None
        *lines, self._buffer = (self._buffer + received).split(b"\n")
        return [reports.parse(line) for line in lines]

    def ask_to_stop(self) -> None:
        """Ask it to stop before its next batch."""
        with contextlib.suppress(OSError):
            self._socket.sendall(STOP)

    def kill(self) -> None:
        """End the process and all that it started, now; return when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait(self, timeout: float) -> int:
        """Wait for the process to end by itself, and kill it after `timeout` seconds.

        Returns:
            Its exit status; a negative number is the signal that ended it.
        """
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = 0
        self.kill()
        return status or self._process.returncode

    def output_tail(self) -> str:
        """The last of what the process printed."""
        try:
            with self._output.open("rb") as file:
                file.seek(max(0, self._output.stat().st_size - OUTPUT_TAIL_BYTES))
                return file.read().decode(errors="replace").strip()
        except OSError:
            return ""

    @property
    def _output(self) -> Path:
        return self.scratch / "output.txt"


def make_scratch(job_id: int) -> Path:
    """A new folder for a trainer's files."""
    return Path(tempfile.mkdtemp(prefix=f"trainyard-{job_id}-"))


def _clean_environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(SECRET_PREFIXES)
    }
