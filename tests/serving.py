"""The web server as it serves, in a thread of the tests."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from flask import Flask

from core.settings import Settings
from tests.services import wait_until
from webui import context
from webui.app import create_app
from webui.server import Server


@contextlib.contextmanager
def serving(app: Flask) -> Iterator[tuple[Server, str]]:
    """A server of an application, and its address on a free port."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = Server(app)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        wait_until(lambda: server.started, "it serves")
        yield server, f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        thread.join()


@contextlib.contextmanager
def serving_with(settings: Settings) -> Iterator[tuple[Server, str]]:
    """A server of an application of its own."""
    app = create_app(settings)
    try:
        with serving(app) as served:
            yield served
    finally:
        context.of(app).database.dispose()
