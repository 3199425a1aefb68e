"""Uvicorn around the application: an event loop that holds every connection of a process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from flask import Flask
from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from core import housekeeping
from core.housekeeping import House
from core.settings import Settings
from webui import context, monitoring
from webui.access import still_valid
from webui.bridge import ON_STREAM, Bridge
from webui.live.hub import Hub

HEAD_TIMEOUT_S = 20.0
LARGEST_HEAD = 64 * 1024
KEEP_ALIVE_S = 15
MOST_IN_LINE = 8
"""Requests that a client may send before the first of them is answered."""
GRACE_S = 3
LOST_AFTER_S = 60
"""A viewer's host that takes nothing for so long is lost; it comes back by itself."""
MOST_FILES = 65536
WAITING = 2048
"""Connections that wait until they are taken."""
ONE_AT_A_TIME = 1
"""Connections that a process takes before it looks for something else, where others take some too:
the first to look would have them all."""


class Server(uvicorn.Server):
    """An HTTP server of an application and its live streams."""

    def __init__(self, app: Flask) -> None:
        parts = context.of(app)
        counts = monitoring.of(app)
        self._hub = Hub(
            parts.database, parts.wakeups, partial(still_valid, parts), counts.streams.set
        )
        self._bridge = Bridge(app, parts.settings.web_threads, self._hub)
        self._house = House(
            parts.settings, parts.database, parts.storage, parts.wakeups, counts.note_round
        )
        super().__init__(_config(self._bridge, parts.settings))

    @property
    def hub(self) -> Hub:
        """Who watches, and what."""
        return self._hub

    def run(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Serve until told to stop.

        Args:
            sockets: what to listen on, where others do too; None: the port of the settings.
        """
        _allow_many_files()
        logging.getLogger("uvicorn.error").addFilter(_without_colors)
        with _keeping(self._house):
            try:
                super().run(None if sockets is None else list(sockets))
            finally:
                self._bridge.close()
                self._hub.close()

    def stop(self) -> None:
        """End: live streams at once, other requests within a few seconds. From any thread."""
        self.should_exit = True
        self._hub.stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self.config.backlog == ONE_AT_A_TIME:
            for each in sockets or ():
                each.listen(WAITING)  # asyncio set it to what it takes at a time

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop in good order; an interrupt that comes again waits for nobody."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.stop()


class Connection(HttpToolsProtocol):
    """A connection whose requests' heads must come soon, and be small."""

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_in_body = False
    _running: Any = None
    """The cycle that is answered now; `cycle` is the one that came last."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_idle = self.timeout_keep_alive_task is not None
        was_in_body = self._is_in_body
        super().data_received(data)
        # blank lines, and the body of a request that is answered already, end the wait for a
        # request and begin none
        if was_idle and self._is_idle:
            self._expect_head()
        if self._deadline is not None and not (was_in_body or self._is_in_body):
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD:
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._deadline is None:  # a trailer, behind a body: nobody needs one
            raise HttpParserError("Trailers are not read")
        super().on_header(name, value)

    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        self._forget_head()
        self._is_in_body = True
        if len(self.pipeline) >= MOST_IN_LINE:
            raise HttpParserError("Too many requests wait on one connection")
        scope: Any = self.scope
        scope["extensions"] = {ON_STREAM: self._expect_loss}
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def _is_idle(self) -> bool:
        """Whether no head of a request has begun since the last was answered."""
        return self._deadline is None and (self.cycle is None or self.cycle.response_complete)

    def _expect_head(self) -> None:
        self._forget_head()
        self._head_bytes = 0
        self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _forget_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expect_loss(self) -> None:
        """Notice a viewer that has vanished without a word, or reads no more."""
        connected = self.transport.get_extra_info("socket")
        if connected is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_AFTER_S * 1000)


@contextlib.contextmanager
def _keeping(house: House) -> Iterator[None]:
    """Keep house beside the requests: without any worker, lost runs and workers are noticed."""
    stop = threading.Event()
    keeper = threading.Thread(
        target=housekeeping.run, args=(house, stop), name="housekeeping", daemon=True
    )
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join(GRACE_S)


def _config(bridge: Any, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        bridge,
        host=settings.host,
        port=settings.port,
        loop="asyncio",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,  # its lines go through the root's handler like all others
        access_log=False,
        # uvicorn would believe whoever is on this host
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        backlog=WAITING if settings.web_processes == 1 else ONE_AT_A_TIME,
    )


def _without_colors(record: logging.LogRecord) -> bool:
    """Uvicorn says everything twice, for its own formatter."""
    record.__dict__.pop("color_message", None)
    return True


def _allow_many_files() -> None:
    """Take as many open files as the system grants: each viewer is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
