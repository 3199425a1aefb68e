"""The factory: nothing connects, nothing is shared, nothing heavy is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import Settings
from webui import context
from webui.app import create_app

ROOT = Path(__file__).parents[2]

LOAD_EVERYTHING = """
import importlib, pkgutil, sys, warnings
import core, webui
for package in (core, webui):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
heavy = {"torch", "torchvision", "sklearn", "numpy", "worker"} & set(sys.modules)
sys.exit(f"loaded: {heavy}" if heavy else 0)
"""


@pytest.fixture
def database_kind() -> str:
    """SQLite alone: nothing here depends on the kind of database."""
    return "sqlite"


def test_all_of_core_and_webui_loads_without_torch():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOAD_EVERYTHING],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


@pytest.fixture
def nowhere(tmp_path):
    """Settings of services that are all away."""
    return Settings(
        home=tmp_path / "home",
        database_url="postgresql+psycopg://nobody@127.0.0.1:1/none",
        redis_url="redis://127.0.0.1:1/0",
        storage_url="s3://nowhere",
        secret_key="x",
    )


def test_making_an_application_connects_to_nothing_and_writes_nothing(nowhere):
    app = create_app(nowhere)

    assert app.test_client().get("/healthz").status_code == 200
    assert not nowhere.home.exists()


def test_two_applications_share_nothing(nowhere, tmp_path):
    other = nowhere.model_copy(update={"home": tmp_path / "other"})
    contexts = []
    for settings in (nowhere, other):
        with create_app(settings).app_context():
            contexts.append(context.current())

    first, second = contexts
    assert first.settings.home != second.settings.home
    assert first.database is not second.database
    assert first.wakeups is not second.wakeups


def test_fields_come_in_the_order_in_which_the_contract_names_them(client):
    text = client.post("/api/v1/jobs", json={"name": "x"}).text

    assert text.index('"id"') < text.index('"name"') < text.index('"created_at"')
