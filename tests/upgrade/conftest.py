"""A home folder and a database of an earlier release, brought up to date."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core.database import engine
from core.database.engine import Database
from core.settings import Settings
from core.storage.folder import Folder
from tests.faults.conftest import disk_faults, mark, start_worker
from tests.services import Postgres
from tests.upgrade import restore
from tests.worker.conftest import data_folder

__all__ = ["data_folder", "disk_faults", "mark", "start_worker"]


@pytest.fixture
def left(database_kind: str) -> restore.Left:
    """What the fixture of a database's kind holds."""
    return restore.expected(database_kind)


SAMPLES = """
SELECT job_id, step, attempt, epoch, batch, train_loss, learning_rate, images_per_s
FROM points ORDER BY job_id, step
"""


@pytest.fixture
def old_address(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an earlier release's database, as it was left."""
    home = tmp_path / "home"
    home.mkdir()
    restore.unpack(database_kind, home)
    if database_kind == "sqlite":
        address = f"sqlite:///{home / 'trainyard.db'}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        address = server.new_database()
        restore.load(home, address)
    return address


@pytest.fixture
def samples_before(old_address: str) -> list[tuple[Any, ...]]:
    """The metric samples of the earlier release's table, by job and step."""
    with Database(old_address) as tables, tables.reading() as session:
        return [tuple(row) for row in session.execute(text(SAMPLES))]


@pytest.fixture
def database_address(old_address: str, samples_before: list[tuple[Any, ...]]) -> str:
    """The address of the database after `db upgrade`."""
    assert samples_before
    engine.upgrade(old_address)
    return old_address


@pytest.fixture
def storage(database_address: str, tmp_path: Path) -> Folder:
    """The blobs of the earlier release."""
    return Folder(tmp_path / "home" / "artifacts")


@pytest.fixture
def settings(tmp_path: Path, database_address: str, redis_url: str) -> Settings:
    """The settings of the earlier release's home."""
    return Settings(
        home=tmp_path / "home",
        database_url=database_address,
        redis_url=redis_url,
        secret_key="for tests alone",
    )


@pytest.fixture
def database(database_address: str) -> Iterator[Database]:
    """The earlier release's database."""
    made = Database(database_address)
    yield made
    made.dispose()
