"""A real server in a thread, and the terminal pointed at it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cli.main import main
from core import workers
from core.jobs import claim, endings
from core.jobs.claim import Claimant
from core.jobs.endings import Publication
from core.jobs.recorder import Recorder
from core.protocol.reports import Line
from core.storage import store
from core.workers import WorkerFacts
from tests.documented import watch
from tests.reported import epoch_end, evaluated, started
from tests.serving import serving

CONTENT = b"checkpoint" * 1000
LOGGED = "good\x1b[31m red"


@pytest.fixture
def database_kind():
    """SQLite alone: the terminal knows HTTP, and the API is tested on each kind of database."""
    return "sqlite"


@pytest.fixture
def server_url(app, monkeypatch):
    watch(app, monkeypatch, refused_too=False)
    with serving(app) as (_, address):
        yield address


@pytest.fixture
def trainyard(server_url, monkeypatch, tmp_path):
    """Runs a command of the terminal."""
    monkeypatch.setenv("TRAINYARD_URL", server_url)
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "terminal"))

    def run(*arguments, **more):
        return CliRunner().invoke(main, arguments, **more)

    return run


@pytest.fixture
def claimant(database):
    facts = WorkerFacts("ada", 1, "0", ["default"], [{"kind": "cpu", "name": "CPU"}], 1)
    return Claimant(workers.register(database, facts), ["default"])


@pytest.fixture
def finished(trainyard, database, claimant, settings, tmp_path):
    """The id of a run that has ended well."""
    trainyard("submit", "--preset", "quick", "--name", "done")
    lease = claim.claim(database, claimant, 30)
    recorder = Recorder(database, lease, 30)
    recorder.record(started(threads=1))
    recorder.record(Line(text=LOGGED))
    recorder.record(epoch_end(train_loss=0.5, test_loss=0.4))
    recorder.record(evaluated())
    recorder.flush()
    (tmp_path / "m.pt").write_bytes(CONTENT)
    blob = store.connect(settings.storage_address).put(tmp_path / "m.pt")
    endings.succeed(database, lease, "c" * 64, [Publication(blob, 1, "pt", "mnist-cnn.pt")])
    return str(lease.job_id)
