"""Fixtures: real services, started once a test session, and a fresh database for each test."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache, FileSystemBytecodeCache

from core.database import engine as database_module
from core.database.engine import Database
from core.settings import Settings
from core.storage.folder import Folder
from tests import routing, services, statements
from tests.services import Postgres, RedisServer, UnavailableHereError, empty_tables
from webui.app import create_app
from webui.context import current

NOT_RUN = "NOT RUN: "
SQLITE_FILE = "trainyard.db"

# a machine that others use too may stand still for a moment
hypothesis.settings.register_profile("without a deadline", deadline=None)
hypothesis.settings.load_profile("without a deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let what takes long and hardly depends on the database be run on one kind of it."""
    parser.addoption("--faults-on", choices=["both", "postgresql", "sqlite"], default="both")


FAULTS = Path(__file__).parent / "faults"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `--faults-on` does not ask for; what needs one kind of database stays."""
    chosen = config.getoption("--faults-on")
    if chosen != "both":
        left_out = [item for item in items if _chosen_kind(item) not in (None, chosen)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _chosen_kind(item: pytest.Item) -> str | None:
    """The database of a test that `--faults-on` chooses from; None for any other test."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or not (FAULTS in item.path.parents or item.get_closest_marker("one_kind")):
        return None
    if any("database_kind" in mark.args for mark in item.iter_markers("parametrize")):
        return None  # it needs this kind
    kind: str | None = callspec.params.get("database_kind")
    return kind


def pytest_configure(config: pytest.Config) -> None:
    """Give each test process one core, and so all that it starts. More than cores take turns.

    Trainers take a thread a core: two that share two cores wait for each other all the time, and
    what a run ends with depends on its threads. A process that runs all tests by itself has one
    core too, so that a test alone is the same test.
    """
    given: dict[str, str] = getattr(config, "workerinput", {})
    divides_them = bool(config.getoption("numprocesses", None)) and not given
    if not divides_them and hasattr(os, "sched_setaffinity"):
        number = given.get("workerid", "gw0").removeprefix("gw")
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(number) % len(cores)]})


NEW_OBJECTS = 20_000
"""After which Python looks for cycles, and twenty times which it looks at what has stayed."""


def pytest_collection_finish() -> None:
    """Spare Python from going through torch's and the tests' own objects at each collection.

    What applications, templates and statements leave in a process grows besides: looking through
    it as often as Python does by itself takes a sixth of what the tests of pages take.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly, at the end, what could not be run here and why."""
    reasons = [
        str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for report in terminalreporter.stats.get("skipped", [])
    ]
    for reason in dict.fromkeys(reason for reason in reasons if NOT_RUN in reason):
        terminalreporter.write_line(f"!! {reason}", red=True, bold=True)


def missing(what: str, error: UnavailableHereError) -> NoReturn:
    """Skip a test whose service cannot be had here."""
    pytest.skip(f"{NOT_RUN}{what}: {error}")


def sqlite_address(folder: Path) -> str:
    """Of the database that a test has in a folder."""
    return f"sqlite:///{folder / SQLITE_FILE}"


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of the person who runs it."""
    services.forget_settings(monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def _what_was_compiled() -> Iterator[None]:
    """Applications and databases are made thousands of times: same addresses, same statements."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        routing.keep_compiled_addresses(monkeypatch)
        statements.keep_compiled_statements(monkeypatch)
        yield


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis-protocol server."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis database."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def read_only_redis(redis_server: RedisServer, redis_url: str) -> Iterator[str]:
    """A Redis that answers, and lets nobody write: a replica, of a server that is not there."""
    redis_server.replicate("127.0.0.1", 1)
    yield redis_url
    redis_server.replicate("NO", "ONE")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A real PostgreSQL server, run by another user where the tests run as root."""
    try:
        server = Postgres()
    except UnavailableHereError as error:
        missing("tests on PostgreSQL", error)
    with server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    kind: str = request.param
    return kind


@pytest.fixture
def empty_database_address(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> str:
    """The address of a database without tables, of each kind in turn."""
    if database_kind == "sqlite":
        return sqlite_address(tmp_path)
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with empty tables, to be copied."""
    folder = tmp_path_factory.mktemp("sqlite")
    database_module.upgrade(sqlite_address(folder))
    return folder / SQLITE_FILE


@pytest.fixture(scope="session")
def postgres_with_tables(postgres: Postgres) -> str:
    """The address of a database with tables, to be emptied before each use."""
    address = postgres.new_database()
    database_module.upgrade(address)
    return address


@pytest.fixture
def database_address(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with empty tables, of each kind in turn.

    That of PostgreSQL serves one test after the other, so no test may change its tables.
    """
    if database_kind == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_with_tables"), tmp_path / SQLITE_FILE)
        return sqlite_address(tmp_path)
    address: str = request.getfixturevalue("postgres_with_tables")
    empty_tables(address)
    return address


@pytest.fixture
def database(database_address: str) -> Iterator[Database]:
    """A database with empty tables, of each kind in turn."""
    made = Database(database_address)
    yield made
    made.dispose()


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    """A blob store in a folder."""
    return Folder(tmp_path / "storage")


@pytest.fixture
def settings(tmp_path: Path, database_address: str, redis_url: str) -> Settings:
    """Settings of a home of its own, for each kind of database in turn."""
    return Settings(
        home=tmp_path / "home",
        database_url=database_address,
        redis_url=redis_url,
        storage_url=(tmp_path / "storage").as_uri(),
        secret_key="for tests alone",
    )


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Templates as Jinja has compiled them, for the applications of all tests."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(settings: Settings, compiled_templates: BytecodeCache) -> Iterator[Flask]:
    """The web application."""
    made = create_app(settings)
    made.testing = True
    made.jinja_env.bytecode_cache = compiled_templates
    yield made
    with made.app_context():
        current().database.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the web application."""
    return app.test_client()
