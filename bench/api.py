"""`GET /jobs` while a run trains: `python -m bench.api`, or `make bench-api`.

Starts the embedded stack, fills the list with a thousand ended runs, starts a training run, and
times requests one after the other from another process than the server's. Beside it, in the same
run, the same requests on the idle server, and `/healthz`, which does no work: the floor.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx

from cli.stack.ports import free_port
from cli.stack.stack import Stack
from core.database.engine import Database
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.settings import Settings
from core.spec.presets import PRESETS
from tests.core.many import multiply

REQUESTS = 300
OLD_RUNS = 1000
SPEC = {"dataset": "digits", "batch_size": 16, "epochs": 1000}


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), port=free_port())
        stack = Stack(settings, print)
        with stack.running():
            fill(stack.settings)
            with httpx.Client(base_url=stack.url, trust_env=False) as client:
                rows = [row("GET /healthz, idle", client, "/healthz")]
                rows += [row("GET /api/v1/jobs, idle", client, "/api/v1/jobs")]
                job = train(client)
                rows += [
                    row("GET /healthz, training", client, "/healthz"),
                    row("GET /api/v1/jobs, training", client, "/api/v1/jobs"),
                    row("GET /api/v1/jobs?limit=1, training", client, "/api/v1/jobs?limit=1"),
                    row(f"GET /api/v1/jobs/{job}, training", client, f"/api/v1/jobs/{job}"),
                    row("GET / (the page), training", client, "/"),
                ]
                client.post(f"/api/v1/jobs/{job}/cancel", json={})
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {REQUESTS} requests each, {OLD_RUNS} runs in the list")
    print(f"{'':40} {'median':>8} {'p95':>8} {'max':>8}  ms")
    for name, times in rows:
        ordered = sorted(times)
        p95 = ordered[int(len(ordered) * 0.95)]
        print(f"{name:40} {statistics.median(times):8.1f} {p95:8.1f} {ordered[-1]:8.1f}")


def fill(settings: Settings) -> None:
    """Put ended runs into the list."""
    with Database(settings.database_address) as database:
        job = lifecycle.submit(database, LOCAL_OWNER, name="old", spec=PRESETS["quick"].spec)
        lifecycle.cancel(database, job.id, LOCAL_OWNER)
        multiply(database, OLD_RUNS - 1)


def train(client: httpx.Client) -> int:
    """Start a run and return once it trains."""
    body = {"name": "bench", "preset": "quick", "spec": SPEC}
    job = int(client.post("/api/v1/jobs", json=body).raise_for_status().json()["id"])
    while client.get(f"/api/v1/jobs/{job}").json()["progress"]["epoch"] < 1:
        threading.Event().wait(0.2)
    return job


def row(name: str, client: httpx.Client, path: str) -> tuple[str, list[float]]:
    """Time requests, in milliseconds, after ten that are not counted."""
    times = []
    for number in range(REQUESTS + 10):
        began = time.perf_counter()
        client.get(path).raise_for_status()
        if number >= 10:
            times.append((time.perf_counter() - began) * 1000)
    return name, times


if __name__ == "__main__":
    main()
