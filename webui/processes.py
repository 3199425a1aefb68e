"""Several processes of the web server behind one port, started and ended as one program.

The first binds the port, reads the programs, and forks the others; it answers nothing itself. Each
of the others has an event loop, a hub and connections to the database of its own, and takes one
connection of the port at a time, so that whoever is free takes the next. One that dies is replaced;
none outlives the first. What they count, they count in files of a folder that is there as long.

Nothing may be on the way in the first: it has no threads, and is connected to nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from core.errors import TrainyardError, Unavailable
from core.logs import get_logger
from core.messages import message
from core.scratch import SIGN, Scratch

COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client, where it is set before that is loaded, counts in files
of a folder."""
FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 30.0
STEADY_AFTER_S = 30.0
STOP_TIMEOUT_S = 25.0
"""How long a process may take for its good order."""
WAITING = 2048
"""Connections that wait until a process takes them."""
MOST_EXITS = 3
"""Ends in a row, each soon after its start, after which the server gives up where all of its
processes end so, and none has ever lasted: whoever started it is to know."""
PR_SET_PDEATHSIG = 1
STOPS = (signal.SIGTERM, signal.SIGINT)

Serve = Callable[[Sequence[socket.socket]], None]

log = get_logger(__name__)


@contextlib.contextmanager
def counting_together() -> Iterator[None]:
    """A folder for what the processes count. Nothing that counts may be loaded before.

    It is locked as long as one of them is there; the folder of those that were killed is swept.
    """
    scratch = Scratch()
    (scratch.folder / SIGN).touch()
    os.environ[COUNTS] = str(scratch.folder)
    try:
        yield
    finally:
        scratch.remove()


def shared_folder() -> Path | None:
    """Where the processes of this server count together; None where it is one."""
    folder = os.environ.get(COUNTS)
    return None if folder is None else Path(folder)


def listening(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on a port of every address of a host.

    Raises:
        Unavailable: the port is taken, or the host has no address here.
    """
    opened: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        ):
            # with its protocol named, so that asyncio knows that connections are of TCP, and sends
            # small answers at once
            try:
                made = socket.socket(family, kind, protocol)
            except OSError:  # a family that this machine has not
                continue
            opened.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind(address)
            made.listen(WAITING)
            made.setblocking(False)
    except OSError as error:
        for each in opened:
            each.close()
        reason = error.strerror or str(error)
        refusal = message("web.cannot_listen", host=host, port=port, reason=reason)
        raise Unavailable(refusal) from None
    return opened


@dataclass(slots=True)
class Place:
    """A process that runs, or is to be started again."""

    pid: int | None = None
    started_at: float = 0.0
    exits: int = 0
    """One after the other, each soon after its start."""
    start_at: float = 0.0

    def lose(self, now: float) -> float:
        """Note that it has ended; how many seconds until it is started again."""
        self.pid = None
        self.exits = 1 if now - self.started_at > STEADY_AFTER_S else self.exits + 1
        pause_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** (self.exits - 1))
        self.start_at = now + pause_s
        return pause_s


class Processes:
    """The processes of one server, watched by the one that started them."""

    def __init__(self, count: int, sockets: Sequence[socket.socket], serve: Serve) -> None:
        """Start nothing yet.

        Args:
            count: how many.
            sockets: what all of them listen on.
            serve: what each does, until it is told to stop.
        """
        self._sockets = sockets
        self._serve = serve
        self._places = [Place() for _ in range(count)]
        self._is_stopping = False
        self._has_lasted = False
        self._kill_at: float | None = None
        self._wakes, self._wake = os.pipe()
        for end in (self._wakes, self._wake):
            os.set_blocking(end, False)

    def run(self) -> None:
        """Serve until told to stop by a signal; all processes are gone then.

        Raises:
            Unavailable: none of them can serve here; their own lines say why.
        """
        self._hear_signals()
        while True:
            self._reap()
            now = time.monotonic()
            if not self._is_stopping:
                self._start_due(now)
            elif self._pids():
                self._end(now)
            else:
                break
            self._wait(now)
        if self._has_failed:
            raise Unavailable(message("web.cannot_serve"))

    @property
    def _has_failed(self) -> bool:
        """Whether it cannot work here."""
        are_over = all(each.exits >= MOST_EXITS for each in self._places)
        return are_over and not self._has_lasted

    def _hear_signals(self) -> None:
        """Let each signal end a wait; what it asks for is done between two waits."""
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for each in STOPS:
            signal.signal(each, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._is_stopping and number == signal.SIGINT:
            self._kill_at = 0.0  # an interrupt that comes again waits for nobody
        self._is_stopping = True

    def _wait(self, now: float) -> None:
        """Sleep until a signal comes, or something is due."""
        due = [each.start_at for each in self._places if each.pid is None]
        if self._kill_at is not None:
            due = [self._kill_at]
        timeout = max(0.0, min(due) - now) if due else None
        ready, _, _ = select.select([self._wakes], [], [], timeout)
        if ready:
            os.read(self._wakes, 4096)

    def _end(self, now: float) -> None:
        if self._kill_at is None:
            self._kill_at = now + STOP_TIMEOUT_S
            self._send(signal.SIGTERM)
        elif now >= self._kill_at:
            self._kill_at = now + STOP_TIMEOUT_S
            self._send(signal.SIGKILL)

    def _reap(self) -> None:
        """Take note of those that have ended."""
        for place in self._places:
            if place.pid is None:
                continue
            ended, status = os.waitpid(place.pid, os.WNOHANG)
            if not ended:
                continue
            _forget_counts(place.pid)
            now = time.monotonic()
            self._has_lasted |= now - place.started_at > STEADY_AFTER_S
            pause_s = place.lose(now)
            if self._has_failed:
                self._is_stopping = True
            if not self._is_stopping:
                how = os.waitstatus_to_exitcode(status)
                log.warning("web_process_ended", pid=ended, status=how, again_in_s=pause_s)

    def _start_due(self, now: float) -> None:
        for place in self._places:
            if place.pid is None and now >= place.start_at:
                place.started_at = now
                try:
                    place.pid = self._fork()
                except OSError as error:  # too many processes, or no memory
                    pause_s = place.lose(now)
                    log.warning("web_process_not_started", reason=str(error), again_in_s=pause_s)

    def _fork(self) -> int:
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # none may be heard by the parent's rules
        try:
            pid = os.fork()
            if pid == 0:
                self._be_a_child(parent)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        return pid

    def _be_a_child(self, parent: int) -> NoReturn:
        """Serve, and end; nothing of the parent's is continued here."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in (*STOPS, signal.SIGCHLD):
                signal.signal(each, signal.SIG_DFL)
            _end_with(parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            for end in (self._wakes, self._wake):
                os.close(end)
            self._serve(self._sockets)
            status = 0
        except TrainyardError as error:
            print(error, file=sys.stderr, flush=True)
        except Exception:
            log.exception("web_process_failed")
        finally:
            os._exit(status)

    def _pids(self) -> list[int]:
        return [each.pid for each in self._places if each.pid is not None]

    def _send(self, number: signal.Signals) -> None:
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _end_with(parent: int) -> None:
    """Have the kernel end this process with its parent, however that ends (Linux).

    At once: one that hangs, or takes its time, would hold the port.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(1)


def _forget_counts(pid: int) -> None:
    """Let what a process told of its present be told no longer; what it counted stays."""
    # it looks at the variable of `counting_together` when it is loaded
    from prometheus_client import multiprocess  # noqa: PLC0415

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
