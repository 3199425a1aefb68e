"""The worker's side of a trainer: a process in a group of its own, and a socket.

The zygote has forked it, so it is no child of ours: a pidfd is readable when it has ended, and the
zygote writes its exit status into a pipe.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from core.messages import Message, message
from core.protocol import reports
from core.protocol.orders import (
    DUMP_STACKS,
    STOPS,
    DeriveOrder,
    Order,
    PreviewOrder,
    Stop,
    lease_line,
)
from core.protocol.pulse import Pulse
from core.protocol.reports import Report
from worker.processes import out_of_memory
from worker.processes.held_up import HeldUp

OUTPUT_TAIL_BYTES = 4000
STACKS_BYTES = 32_000
OUTPUT = "output.txt"
STATUS_TIMEOUT_S = 3.0

_LINES = {stop: line for line, stop in STOPS.items()}


class Trainer:
    """A training process. Use as a context manager: at the end no process is left."""

    def __init__(
        self,
        process_id: int,
        *,
        pidfd: int,
        connection: socket.socket,
        status: int,
        lifeline: int,
        pulse: Pulse,
        scratch: Path,
    ) -> None:
        """Take over a process.

        Args:
            process_id: the process, which leads a group of its own.
            pidfd: its descriptor.
            connection: our end of its socket.
            status: read end of the pipe for its exit status.
            lifeline: write end of a pipe; the process dies when it is closed.
            pulse: what it is doing, and that it gets on with it.
            scratch: folder for its files; removed at the end.
        """
        self.process_id = process_id
        self.pulse = pulse
        self.scratch = scratch
        self._held_up = HeldUp(process_id)
        self._pidfd = pidfd
        self._connection = connection
        self._status = status
        self._lifeline = lifeline
        self._buffer = b""
        self._is_status_awaited = False
        self._memory_kills = out_of_memory.kills()
        self._stacks_begin = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, however long that takes, and remove its files."""
        while not self.reap(1.0):
            pass
        self._connection.close()
        for descriptor in (self._pidfd, self._status, self._lifeline):
            os.close(descriptor)
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def process_ids(self) -> Sequence[int]:
        """The process that trains."""
        return [self.process_id]

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return not self.has_ended(0.0)

    def give(self, order: Order | PreviewOrder | DeriveOrder) -> None:
        """Send the order. Of a trainer that has died, `read` finds the end."""
        # it may have waited for days, and a folder for temporary files may be tidied
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._memory_kills = out_of_memory.kills()
        with contextlib.suppress(OSError):
            self._connection.sendall(order.model_dump_json().encode() + b"\n")

    def read(self, timeout: float, wake: int) -> list[Report] | None:
        """Wait for reports, at most `timeout` seconds or until descriptor `wake` is readable.

        Returns:
            The reports that came, perhaps none; or None when the trainer's socket has ended.
        """
        return self.receive() if self.fileno() in readable([self.fileno(), wake], timeout) else []

    def fileno(self) -> int:
        """Our end of its socket; readable when `receive` has something to give."""
        return self._connection.fileno()

    def receive(self) -> list[Report] | None:
        """The reports that came on its readable socket; None when the socket has ended."""
        try:
            received = self._connection.recv(1 << 16)
        except ConnectionError:
            received = b""
        if not received:
            return None
        *lines, self._buffer = (self._buffer + received).split(b"\n")
        return [reports.parse(line) for line in lines]

    def ask_to_stop(self, how: Stop) -> None:
        """Ask the trainer to stop before its next batch."""
        self._say(_LINES[how])

    def extend(self, ends_at: float) -> None:
        """Say until when the trainer may compute, by `elapsed`."""
        self._say(lease_line(ends_at))

    def _say(self, line: bytes) -> None:
        """Send a line. Never waits for a trainer that does not read: it has much unread then."""
        with contextlib.suppress(OSError):
            self._connection.send(line, socket.MSG_DONTWAIT)

    def reap(self, timeout: float) -> bool:
        """Kill the process and all that it started, and wait.

        Returns:
            Whether it is gone; False where the kernel has not let go of it after `timeout` seconds.
        """
        self.kill()
        return self.wait(timeout)

    def kill(self) -> None:
        """Kill the process and all that it started, without waiting for their end."""
        if self.is_alive:  # so its number is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process_id, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)  # if it leads no group yet

    def wait(self, timeout: float) -> bool:
        """Wait, at most `timeout` seconds, for the process to end by itself.

        Returns:
            Whether it has, and with it, where the zygote lives, all that it started.
        """
        if not self.has_ended(timeout):
            return False
        self.wait_for_status(STATUS_TIMEOUT_S)
        return True

    def has_ended(self, timeout: float) -> bool:
        """Whether the process ends within `timeout` seconds, whatever becomes of its children."""
        return _is_readable(self._pidfd, timeout)

    def wait_for_status(self, timeout: float) -> None:
        """After the end: wait for the zygote to write how, which it does when all of it is gone.

        Waited for only once, because the zygote may be stopped.
        """
        if not self._is_status_awaited:
            _is_readable(self._status, timeout)
            self._is_status_awaited = True

    def held_up_s(self) -> float:
        """Of the seconds since the last call, those in which it waited for a core or memory."""
        return self._held_up.since_last()

    def dump_stacks(self) -> None:
        """Have the process print where each of its threads is; `stacks` has it a little later.

        A process that was stopped is continued, or it could not.
        """
        with contextlib.suppress(OSError):
            self._stacks_begin = (self.scratch / OUTPUT).stat().st_size
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, DUMP_STACKS)
            signal.pidfd_send_signal(self._pidfd, signal.SIGCONT)

    def stacks(self) -> str:
        """What the process has printed since `dump_stacks`; empty where it could not answer."""
        try:
            with (self.scratch / OUTPUT).open("rb") as file:
                file.seek(self._stacks_begin)
                return file.read(STACKS_BYTES).decode(errors="replace").strip()
        except OSError:
            return ""

    def end_reason(self) -> Message:
        """How the process ended, after it has. To be asked once."""
        status = self.exit_status()
        if status is None:
            return message("process.ended_unknown")
        if status == -signal.SIGKILL and self._has_memory_run_out():
            return message("process.killed_for_memory")
        if status < 0:
            return message("process.ended_by_signal", signal=_signal_name(-status))
        return message("process.ended_with_status", status=status)

    def exit_status(self) -> int | None:
        """The exit status, after the end: a negative number is a signal. To be asked once.

        Returns:
            None where nobody knows, because the zygote has died too.
        """
        if not _is_readable(self._status, 0.0):
            return None
        text = os.read(self._status, 100)
        return int(text) if text else None

    def output_tail(self) -> str:
        """The last of what the process printed."""
        return tail(self.scratch / OUTPUT)

    def _has_memory_run_out(self) -> bool:
        """Whether the kernel has killed a process for memory since the order; perhaps another."""
        return out_of_memory.kills() > self._memory_kills


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"


def tail(path: Path) -> str:
    """The last of a text file; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - OUTPUT_TAIL_BYTES))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""


def readable(descriptors: Iterable[int], timeout: float) -> list[int]:
    """Wait, at most `timeout` seconds, for readable descriptors, and return those that are."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(max(0.0, timeout) * 1000)]


def _is_readable(descriptor: int, timeout: float) -> bool:
    return bool(readable([descriptor], timeout))
