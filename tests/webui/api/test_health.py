"""The API's health, and its answers while Redis, the database or the storage is away."""

from __future__ import annotations

import contextlib
import socket

import pytest
from sqlalchemy import update

from core import workers
from core.database.clock import now
from core.database.models import Worker
from core.messaging import notify
from core.settings import Settings
from core.workers import WorkerFacts
from tests.webui import addresses
from tests.webui.api.conftest import count, download
from webui.app import create_app
from webui.context import current


@pytest.fixture
def worker(database):
    """The id of a live worker."""
    return workers.register(database, WorkerFacts("w", 1, "0", ["default"], [], 1))


def test_the_server_reports_its_health(client, worker):
    assert client.get("/healthz").text == '{"status":"ok"}\n'
    whole = '{"status":"ok","database":"ok","storage":"ok","redis":"ok","workers":"ok"}\n'
    assert client.get("/readyz").text == whole


@pytest.mark.parametrize("silence_s", [None, 2 * 86400.0])
def test_readiness_tells_that_no_worker_is_live(client, database, worker, silence_s):
    with database.writing() as session:
        stopped = {"stopped_at": now()} if silence_s is None else {}
        last = now(-(silence_s or 0))
        session.execute(update(Worker).values(last_heartbeat_at=last, **stopped))

    ready = client.get("/readyz")

    assert (ready.status_code, ready.json["workers"], ready.json["code"]) == (
        200,
        "none",
        "workers.none",
    )
    assert ready.json["detail"].startswith("No worker is live")


def test_readiness_tells_of_a_worker_that_is_lost_until_another_has_its_name(client, database):
    facts = WorkerFacts("ada", 1, "0", ["default"], [], 1)
    worker_id = workers.register(database, facts)
    assert client.get("/readyz").json["workers"] == "ok"

    with database.writing() as session:
        workers.mark_lost(session, worker_id)

    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["workers"], ready.json["code"]) == (
        200,
        "lost",
        "workers.lost",
    )
    assert "ada" in ready.json["detail"]
    workers.register(database, facts)
    assert client.get("/readyz").json["workers"] == "ok"


def test_readiness_tells_of_a_redis_that_refuses(client, read_only_redis):
    ready = client.get("/readyz")

    assert (ready.status_code, ready.json["redis"]) == (200, "refuses")
    assert "read only" in ready.json["detail"]


@pytest.fixture
def serve():
    """Makes applications of settings whose services are away."""
    made = []

    def make(settings):
        made.append(create_app(settings))
        return made[-1].test_client()

    yield make
    for app in made:
        with app.app_context():
            current().database.dispose()


@contextlib.contextmanager
def silent_server():
    """The address of a server that never answers, and what counts its new connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        server.setblocking(False)

        def new_connections():
            number = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    server.accept()[0].close()
                    number += 1
            return number

        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0", new_connections


def test_only_the_first_submit_waits_for_a_redis_that_never_answers(settings, serve, monkeypatch):
    monkeypatch.setattr(notify, "PAUSE_AFTER_FAILURE_S", 600)
    with silent_server() as (address, new_connections):
        client = serve(settings.model_copy(update={"redis_url": address}))
        assert client.post("/api/v1/jobs", json={"name": "x"}).status_code == 201
        assert new_connections() > 0
        for _ in range(2):
            assert client.post("/api/v1/jobs", json={"name": "x"}).status_code == 201
        assert new_connections() == 0

    assert count(client) == 3


def test_a_submit_with_redis_away_succeeds(settings, serve, worker):
    client = serve(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))

    response = client.post("/api/v1/jobs", json={"name": "x"})

    assert response.status_code == 201
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert (ready.json["redis"], ready.json["code"]) == ("away", "redis.away")
    assert ready.json["params"] == {}
    assert "a few seconds later" in ready.json["detail"]


@pytest.mark.parametrize(
    "address", ["postgresql+psycopg://nobody@127.0.0.1:1/none", "sqlite:////nowhere/x.db"]
)
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/readyz", "/"])
def test_with_the_database_away_everything_is_503_and_says_when_to_come_back(
    redis_url, tmp_path, address, path, serve
):
    settings = Settings(home=tmp_path, database_url=address, redis_url=redis_url, secret_key="x")
    client = serve(settings)

    response = client.get(path)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert client.get("/healthz").status_code == 200


BODIES = {
    "/jobs": {"name": "x"},
    "/jobs/bulk": {"jobs": [{"name": "x"}]},
    "/filters": {"name": "x", "query": "state=failed"},
    **{f"/jobs/{each}": {"ids": [1]} for each in ("delete", "restore", "cancel", "retry")},
    "/jobs/tag": {"ids": [1], "add": ["x"]},
    "/webhooks": {"address": "https://chat.example/hook"},
    "/queues/<queue>": {"preempts": True},
}
"""What the addresses that end so need."""

NEEDS_NO_DATABASE = {
    *("/healthz", "/metrics"),
    *("/api/v1/spec", "/api/v1/network", "/api/v1/me", "/api/v1/openapi.json"),
}
OF_ACCOUNTS = ("/api/v1/people", "/api/v1/invitations", "/api/v1/audit")


def test_with_the_database_away_no_request_is_a_fault(redis_url, tmp_path, app, serve):
    address = "postgresql+psycopg://nobody:hunter2@127.0.0.1:1/none"
    client = serve(
        Settings(home=tmp_path, database_url=address, redis_url=redis_url, secret_key="x")
    )

    for method, rule in sorted(addresses.of_api(app)):
        if rule in NEEDS_NO_DATABASE or rule.startswith(OF_ACCOUNTS):
            continue
        body = BODIES.get(rule.removeprefix("/api/v1"), {}) if method in ("POST", "PUT") else None
        path = addresses.filled(rule, "0" * 64 if "key" in rule else 1)
        query = {"job": 1, "points": 5}  # of an address that needs them; others mind nothing
        response = client.open(path, method=method, json=body, query_string=query)

        assert response.status_code == 503, path
        assert int(response.headers["Retry-After"]) > 0
        assert response.content_type == "application/problem+json"
        assert "hunter2" not in response.text


def test_a_database_without_tables_is_503_and_says_what_to_do(empty_database_address, serve):
    client = serve(Settings(database_url=empty_database_address, secret_key="x"))

    response = client.post("/api/v1/jobs", json={"name": "x"})

    assert response.status_code == 503
    assert "trainyard db upgrade" in response.json["detail"]


def test_with_the_storage_away_downloads_and_readiness_are_503(client, finished, settings):
    folder = settings.home.parent / "storage"
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("not a folder")

    for response in (download(client, finished), client.get("/readyz")):
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
