"""How long a submit of a thousand runs takes, by the API, on both databases.

Each round submits runs that differ in their learning rate, as a sweep does, in one request over
HTTP; the time is the client's own.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from core.database import engine
from core.settings import Settings
from tests.services import Postgres, RedisServer
from tests.serving import serving
from webui.app import create_app

RUNS = 1000


def main() -> None:
    """Measure, and print a line for each database."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    for kind in ("sqlite", "postgresql"):
        with _server(kind) as address, httpx.Client(base_url=address, timeout=60) as client:
            times = [_submit(client, number) for number in range(rounds)]
        shown = ", ".join(f"{each:.3f}" for each in times)
        print(f"{kind}: median {statistics.median(times):.3f} s for {RUNS} runs ({shown})")


def _submit(client: httpx.Client, number: int) -> float:
    jobs = [
        {
            "name": f"sweep {number}, {place}",
            "preset": "quick",
            "spec": {"optimizer": {"learning_rate": 0.001 * (place + 1)}, "seed": number},
            "tags": ["sweep"],
        }
        for place in range(RUNS)
    ]
    begin = time.perf_counter()
    answer = client.post("/api/v1/jobs/bulk", json={"jobs": jobs})
    taken = time.perf_counter() - begin
    assert answer.status_code == 201, answer.text
    assert len(answer.json()["ids"]) == RUNS
    return taken


@contextmanager
def _server(kind: str) -> Iterator[str]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "redis").mkdir()
        redis = stack.enter_context(RedisServer(folder / "redis"))
        address = f"sqlite:///{folder / 'trainyard.db'}"
        if kind == "postgresql":
            address = stack.enter_context(Postgres()).new_database()
        engine.upgrade(address)
        settings = Settings(
            home=folder / "home",
            database_url=address,
            redis_url=redis.url,
            storage_url=(folder / "storage").as_uri(),
            secret_key="for a measurement alone",
        )
        _, served = stack.enter_context(serving(create_app(settings)))
        yield served


if __name__ == "__main__":
    main()
