"""The embedded stack: broker, web and worker as child processes on loopback.

A child that dies is started again, with backoff. Each child leads a process group of its own, so
Ctrl-C reaches this process alone, which then stops them in order: the worker first, that it can
hand its jobs back while database and broker are still there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from cli import broker, endpoint
from core.database import engine
from core.errors import Unavailable
from core.messaging.pubsub import Wakeups
from core.settings import Settings, variable

WATCH_EVERY_S = 0.2
READY_TIMEOUT_S = 60.0
FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 30.0
STEADY_AFTER_S = 30.0
STOP_MARGIN_S = 15.0
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
    deaths: int = 0
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
                preexec_fn=_die_with_parent,  # noqa: PLW1509  (only the main thread starts children)
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

    def look(self, say: Say) -> None:
        """Start the program again if it has died and its time has come."""
        now = time.monotonic()
        if self.process is not None:
            status = self.process.poll()
            if status is None:
                return
            self.deaths = 1 if now - self.started_at > STEADY_AFTER_S else self.deaths + 1
            pause = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** (self.deaths - 1))
            self.restart_at = now + pause
            self.process = None
            say(
                f"{self.name} ended unexpectedly ({_how(status)}); starting it again in "
                f"{pause:.0f} s. Its log: {self.log}"
            )
        elif now >= self.restart_at:
            self.start()
            say(f"{self.name} was started again")


class Stack:
    """Broker, web and worker of one home folder."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self._say = say
        self._stopping = threading.Event()
        self._lock = FileLock(settings.home / "up.lock")
        self._password = secrets.token_urlsafe(24)
        self._chosen = settings
        self.settings = settings
        self.children: list[Child] = []

    @property
    def url(self) -> str:
        """The dashboard's address."""
        host = self.settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Stack]:
        """The stack, up and answering; at the end of the block every process of it is gone.

        Raises:
            Unavailable: a stack of this home is up already, or a part does not start.
        """
        home = self._chosen.home
        try:
            home.mkdir(parents=True, exist_ok=True)
            (home / "logs").mkdir(exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"The folder {home} cannot be made ({error.strerror}). Set TRAINYARD_HOME to one "
                "that can be written."
            ) from error
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            running = endpoint.find_running(home)
            where = f" at {running.url}" if running else ""
            raise Unavailable(f"It is already up{where}, with the home folder {home}.") from None
        try:
            self._start()
            yield self
        finally:
            self.stop()
            self._lock.release()

    def watch(self) -> None:
        """Keep every child alive until `ask_to_stop`."""
        while not self._stopping.wait(WATCH_EVERY_S):
            self.look()

    def look(self) -> None:
        """Start again what has died."""
        for child in self.children:
            child.look(self._say)

    def ask_to_stop(self) -> None:
        """Let `watch` return."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop every child, the last started first."""
        endpoint.erase(self._chosen.home)
        for child in reversed(self.children):
            if child.process is not None:
                self._say(f"stopping {child.name}")
            child.stop()

    def _start(self) -> None:
        self.settings = self._choose_addresses()
        engine.upgrade(self.settings.database_address)
        if not _is_set(self._chosen, "redis_url"):
            self._add(
                "broker",
                [broker.find_server(), "-"],
                configuration=broker.configuration(self._broker_port, self._password),
            )
        self._add("web", [sys.executable, "-m", "webui"])
        self._add(
            "worker",
            [sys.executable, "-m", "worker"],
            stop_timeout=self.settings.grace_seconds + STOP_MARGIN_S,
        )
        self._wait_until_ready()
        endpoint.write(self.settings.home, self.url, os.getpid())

    def _choose_addresses(self) -> Settings:
        """Free ports for what was not given one."""
        chosen: dict[str, object] = {"port": self._choose_port()}
        if not _is_set(self._chosen, "redis_url"):
            self._broker_port = free_port()
            chosen["redis_url"] = f"redis://:{self._password}@127.0.0.1:{self._broker_port}/0"
        return self._chosen.model_copy(update=chosen)

    def _choose_port(self) -> int:
        host, port = self._chosen.host, self._chosen.port
        if _can_listen(host, port):
            return port
        if _is_set(self._chosen, "port"):
            raise Unavailable(
                f"Port {port} is taken. Stop what uses it, or set {variable('port')} to another."
            )
        other = free_port()
        self._say(f"port {port} is taken; using {other}")
        return other

    def _add(
        self,
        name: str,
        command: list[str],
        configuration: bytes | None = None,
        stop_timeout: float = STOP_MARGIN_S,
    ) -> None:
        child = Child(
            name=name,
            command=command,
            log=self.settings.home / "logs" / f"{name}.log",
            environment=os.environ | self.settings.environment(),
            stop_timeout=stop_timeout,
            configuration=configuration,
        )
        self.children.append(child)
        child.start()

    def _wait_until_ready(self) -> None:
        wakeups = Wakeups(self.settings.redis_url)
        deadline = time.monotonic() + READY_TIMEOUT_S
        for name, is_ready in (("broker", wakeups.check), ("web", self._web_is_ready)):
            while not is_ready():
                if self._stopping.wait(0.05):
                    return
                if time.monotonic() > deadline:
                    log = self.settings.home / "logs" / f"{name}.log"
                    raise Unavailable(f"{name} did not start; see {log}")
                self.look()

    def _web_is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).is_success
        except httpx.TransportError:
            return False


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _can_listen(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _is_set(settings: Settings, field: str) -> bool:
    """Whether a setting was given, not defaulted."""
    return field in settings.model_fields_set


def _die_with_parent() -> None:
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


def stop_on_signals(stack: Stack) -> None:
    """Let Ctrl-C and SIGTERM stop the stack in good order."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stack.ask_to_stop())
