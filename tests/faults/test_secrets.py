"""Secrets stay where they were given: in no log, no command line, and no trainer."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from cli.stack.ports import free_port
from tests.faults.conftest import MARK, QUICK_DIGITS, Program, marked, on_postgresql
from tests.services import wait_until

SECRET = "xyzzy-plugh-%s"


@pytest.fixture
def secrets(settings, redis_server, data_folder, tmp_path):
    """Settings in which each secret can be recognized."""
    of_redis = SECRET % "redis"
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.execute_command(
            "ACL", "SETUSER", "ada", "on", f">{of_redis}", "~*", "&*", "+@all"
        )
    address = settings.database_url.replace("trainyard@", f"trainyard:{SECRET % 'database'}@")
    yield settings.model_copy(
        update={
            "database_url": address,
            "redis_url": f"redis://ada:{of_redis}@127.0.0.1:{redis_server.port}/0",
            "secret_key": SECRET % "key",
            "metrics_token": SECRET % "token",
            "data": data_folder,
            "port": free_port(),
            "log_format": "json",
        }
    )
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.execute_command("ACL", "DELUSER", "ada")


def in_files(settings, folder: Path) -> dict[str, str]:
    """The environment in which the secrets are named by files."""
    environment = settings.environment()
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "METRICS_TOKEN"):
        path = folder / name
        path.write_text(environment.pop(f"TRAINYARD_{name}") + "\n")
        environment[f"TRAINYARD_{name}_FILE"] = str(path)
    return environment


@on_postgresql
def test_no_log_no_command_line_and_no_trainer_has_a_secret(secrets, tmp_path, mark):
    web = Program([sys.executable, "-m", "webui"], secrets, tmp_path / "web.log")
    web._environment = {
        name: value for name, value in web._environment.items() if "xyzzy" not in value
    } | in_files(secrets, tmp_path)
    worker = Program([sys.executable, "-m", "worker"], secrets, tmp_path / "w.log", {MARK: mark})
    url = f"http://127.0.0.1:{secrets.port}"
    seen: dict[int, tuple[str, str]] = {}
    try:
        processes = [web.start(), worker.start()]
        wait_until(lambda: answers(url), f"the server is there: {web.log.read_text()}")
        spec = QUICK_DIGITS | {"device": "cpu"}
        job = httpx.post(f"{url}/api/v1/jobs", json={"name": "x", "spec": spec}).json()["id"]

        def state() -> str:
            found: str = httpx.get(f"{url}/api/v1/jobs/{job}", timeout=30).json()["state"]
            return found

        wait_until(lambda: state() != "queued", "it was claimed", 120, every=0.1)
        seen |= looked_at(mark)
        wait_until(lambda: state() == "succeeded", "it has ended", 240, every=0.2)
        seen |= looked_at(mark)
        assert httpx.get(f"{url}/metrics").status_code == 403
        token = {"Authorization": f"Bearer {SECRET % 'token'}"}
        assert httpx.get(f"{url}/metrics", headers=token).status_code == 200
        commands = [" ".join(psutil.Process(process.pid).cmdline()) for process in processes]
        own = {process.pid for process in processes}
    finally:
        worker.end()
        web.end()
    written = web.log.read_text() + worker.log.read_text()
    assert "job_claimed" in written, "the logs are those of a run"
    others = {pid: each for pid, each in seen.items() if pid not in own}
    assert len(others) >= 2, "a zygote and a trainer were looked at"
    for text in (written, *commands, *(each for pair in others.values() for each in pair)):
        assert "xyzzy" not in text


def looked_at(mark: str) -> dict[int, tuple[str, str]]:
    """The command line and the environment of each process of a test."""
    found = {}
    for process in marked(mark):
        with contextlib.suppress(psutil.Error, OSError):
            environ = Path(f"/proc/{process.pid}/environ").read_text()
            found[process.pid] = (" ".join(process.cmdline()), environ)
    return found


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/healthz").status_code == 200
    return False
