"""A real server of the web application."""

from __future__ import annotations

import contextlib
import threading

import httpx
import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from webui.context import current


class Quiet(WSGIRequestHandler):
    """A handler that does not write each request to the terminal."""

    def log(self, *_arguments):
        pass


@contextlib.contextmanager
def serving(app):
    """The address of a real server of an application, on a free port."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    server.daemon_threads = False  # so that the close waits for every request
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        with app.app_context():
            current().watchers.stop()  # open streams end, and their threads with them
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def browser(app):
    with serving(app) as address, httpx.Client(base_url=address, timeout=20) as made:
        yield made
