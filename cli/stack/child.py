"""A program of the stack: started, watched, started again with backoff, stopped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core import formats

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 30.0
STEADY_AFTER_S = 30.0
LARGEST_LOG_BYTES = 10_000_000
PR_SET_PDEATHSIG = 1

Say = Callable[[str], None]


@dataclass(slots=True)
class Child:
    """A program of the stack, running or waiting to be started again."""

    name: str
    command: list[str]
    log: Path
    environment: dict[str, str]
    stop_timeout: float
    configuration: bytes | None = None
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    exits: int = 0
    restart_at: float = field(default=0.0)

    def start(self) -> None:
        """Start the program."""
        _keep_small(self.log)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL if self.configuration is None else subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  (only the main thread starts children)
            )
        if self.configuration is not None and self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:
                stdin.write(self.configuration)
        self.started_at = time.monotonic()

    def stop(self) -> None:
        """Ask the program to end, and end it if it does not; return when it is gone."""
        if self.process is None:
            return
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(self.stop_timeout)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def check(self, say: Say) -> None:
        """Start the program again if it has died and its time has come."""
        now = time.monotonic()
        if self.process is not None:
            status = self.process.poll()
            if status is None:
                return
            self.exits = 1 if now - self.started_at > STEADY_AFTER_S else self.exits + 1
            pause = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** (self.exits - 1))
            self.restart_at = now + pause
            self.process = None
            say(
                f"{self.name} ended unexpectedly ({_how(status)}); starting it again in "
                f"{formats.seconds(pause)}. Its log: {self.log}"
            )
        elif now >= self.restart_at:
            self.start()
            say(f"{self.name} was started again")


def _end_with_parent() -> None:
    """Have the kernel end this child if the stack is killed outright (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _how(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def _keep_small(log: Path) -> None:
    """Put a log that has grown large aside, in place of the one put aside before."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > LARGEST_LOG_BYTES:
            log.replace(log.with_suffix(".1.log"))
