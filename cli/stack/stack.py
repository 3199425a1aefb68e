"""The embedded stack: broker, web and worker as child processes on loopback.

A child that dies is started again, with backoff. Each child leads a process group of its own, so
Ctrl-C reaches this process alone, which then stops them in order: the worker first, that it can
hand its jobs back while database and broker are still there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cli.stack import broker, endpoint
from cli.stack.child import Child, Say
from cli.stack.ports import can_listen, free_port
from core.errors import Unavailable
from core.settings import Settings, variable

WATCH_EVERY_S = 0.2
READY_TIMEOUT_S = 60.0
STOP_MARGIN_S = 15.0
GOING_DOWN_S = 60.0
"""A stack that was stopped has let its runs save and is gone by then."""

# to listen on all addresses is no address to go to
_OWN_OF_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


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
        """The dashboard's address, as this machine reaches it."""
        host = _OWN_OF_ALL.get(self.settings.host, self.settings.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Stack]:
        """The stack, up and answering; at the end of the block every process of it is gone.

        Raises:
            Unavailable: a stack of this home is up already, or a part does not start.
        """
        home = self._chosen.home
        try:
            self._chosen.make_home()
            (home / "logs").mkdir(exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"The folder {home} cannot be made ({error.strerror}). Set TRAINYARD_HOME to one "
                "that can be written."
            ) from error
        self._lock_home(home)
        try:
            self._start()
            yield self
        finally:
            self.stop()
            self._lock.release()

    def _lock_home(self, home: Path) -> None:
        """Be the one stack of this home; one that is going down is waited for.

        Raises:
            Unavailable: another is up, or is neither up nor gone after `GOING_DOWN_S`.
        """
        limit = time.monotonic() + GOING_DOWN_S
        wait_s, is_waiting = 0.0, False
        while True:
            try:
                self._lock.acquire(timeout=wait_s)
            except Timeout:
                running = endpoint.find_running(home)
                if running or time.monotonic() >= limit or self._stopping.is_set():
                    where = f" at {running.url}" if running else ""
                    raise Unavailable(
                        f"It is already up{where}, with the home folder {home}."
                    ) from None
            else:
                return
            if not is_waiting:
                self._say("another one is starting or stopping here: waiting for it")
            wait_s, is_waiting = 0.5, True

    def first_link(self) -> str | None:
        """A link for the first administrator; None where there is one, or are no accounts."""
        if not self.settings.has_accounts:
            return None
        from core.accounts import invitations  # noqa: PLC0415  (the web was not to wait for it)
        from core.database.engine import Database  # noqa: PLC0415

        with Database(self.settings.database_address, pool_size=1) as database:
            secret = invitations.invite_first(database)
        return secret and f"{self.settings.url or self.url}/invitations/{secret}"

    def watch(self) -> None:
        """Keep every child alive until `ask_to_stop`."""
        is_worker_there = False
        while not self._stopping.wait(WATCH_EVERY_S):
            self.check()
            if not is_worker_there and self._worker_is_live():
                is_worker_there = True
                self._say("The worker is there: runs start now.")

    def check(self) -> None:
        """Start again what has died."""
        for child in self.children:
            child.check(self._say)

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
        if not _is_set(self._chosen, "redis_url"):
            self._add(
                "broker",
                [broker.find_server(), "-"],
                configuration=broker.configuration(self._broker_port, self._password),
            )
        self._add("web", [sys.executable, "-m", "webui"])
        # while the web reads its programs; it is not ready before the tables are
        from core.database import engine  # noqa: PLC0415  (the web was not to wait for it)

        engine.upgrade(self.settings.database_address)
        self._wait_until_ready()
        # last: its zygote reads all of torch, which would take a core from the web
        self._add(
            "worker",
            [sys.executable, "-m", "worker"],
            stop_timeout=self.settings.grace_seconds + STOP_MARGIN_S,
        )
        endpoint.write(self.settings.home, self.url, os.getpid(), self.settings.redis_url)

    def _choose_addresses(self) -> Settings:
        """Free ports for what was not given one."""
        chosen: dict[str, object] = {"port": self._choose_port()}
        if not _is_set(self._chosen, "redis_url"):
            self._broker_port = free_port()
            chosen["redis_url"] = f"redis://:{self._password}@127.0.0.1:{self._broker_port}/0"
        return self._chosen.model_copy(update=chosen)

    def _choose_port(self) -> int:
        host, port = self._chosen.host, self._chosen.port
        if can_listen(host, port):
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
        from core.messaging.pubsub import Wakeups  # noqa: PLC0415  (as above)

        wakeups = Wakeups(self.settings.redis_url)
        deadline = time.monotonic() + READY_TIMEOUT_S
        for name, is_ready in (("broker", wakeups.check), ("web", self._web_is_ready)):
            while not is_ready():
                if self._stopping.wait(0.05):
                    return
                if time.monotonic() > deadline:
                    log = self.settings.home / "logs" / f"{name}.log"
                    raise Unavailable(f"{name} did not start; see {log}")
                self.check()

    def _web_is_ready(self) -> bool:
        return self._get("/readyz") is not None

    def _worker_is_live(self) -> bool:
        from core import workers  # noqa: PLC0415  (as above)
        from core.database.engine import Database  # noqa: PLC0415
        from core.errors import DatabaseUnavailable  # noqa: PLC0415

        try:  # people alone are answered by the server, where it has accounts
            with (
                Database(self.settings.database_address, pool_size=1) as database,
                database.reading() as session,
            ):
                return bool(workers.live(session))
        except DatabaseUnavailable:
            return False

    def _get(self, path: str) -> Any:
        """What the dashboard answers; None while it does not, or not well."""
        import httpx  # noqa: PLC0415  (as above)

        try:
            answer = httpx.get(f"{self.url}{path}", timeout=5, trust_env=False)
            return answer.raise_for_status().json()
        except httpx.HTTPError:
            return None


def _is_set(settings: Settings, field: str) -> bool:
    """Whether a setting was given, not defaulted."""
    return field in settings.model_fields_set


def stop_on_signals(stack: Stack) -> None:
    """Let Ctrl-C, SIGTERM and a closed terminal stop the stack in good order.

    Where the terminal's end is ignored, as `nohup` has it, it stays ignored.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        signal.signal(number, lambda *_: stack.ask_to_stop())
