"""A real server in a thread, and the terminal pointed at it."""

from __future__ import annotations

import threading

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from cli.main import main
from core import workers
from core.queue import Claimant
from core.workers import WorkerFacts


@pytest.fixture
def server_url(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def trainyard(server_url, monkeypatch, tmp_path):
    """Runs a command of the terminal."""
    monkeypatch.setenv("TRAINYARD_URL", server_url)
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "terminal"))

    def run(*arguments):
        return CliRunner().invoke(main, arguments)

    return run


@pytest.fixture
def claimant(database):
    facts = WorkerFacts("ada", 1, "0", ["default"], [{"kind": "cpu", "name": "CPU"}], 1)
    return Claimant(workers.register(database, facts), ["default"], ["auto"])
