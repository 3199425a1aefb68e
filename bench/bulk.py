"""How long a submit of a thousand runs takes, by the API, on both databases: `make bench-bulk`.

A web server of its own, with accounts, and Redis. Each round submits runs that differ in their
learning rate, as a sweep does, in one request over HTTP; the time is the client's own.

`--tree` names the folders of other commits, whose servers are measured beside, in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import httpx

from bench.streams import ROOT, services, serving
from bench.submits import token_of
from cli.stack.ports import free_port
from core.database import engine
from core.database.engine import Database
from core.settings import Settings

RUNS = 1000


def main() -> None:
    """Measure, and print a line for each database."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--on", choices=["sqlite", "postgresql"], nargs="+")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--tree", type=Path, nargs="+", default=[ROOT], help="whose servers")
    chosen = arguments.parse_args()
    for kind in chosen.on or ["sqlite", "postgresql"]:
        for tree in chosen.tree:
            times, cpu_s = _measured(kind, tree.resolve(), chosen.rounds)
            shown = ", ".join(f"{each:.3f}" for each in times)
            print(
                f"{kind:10} {tree.name:10} median {statistics.median(times):.3f} s for {RUNS} runs "
                f"({shown}), {cpu_s / chosen.rounds:.3f} s of the server's CPU each",
                flush=True,
            )


def _measured(kind: str, tree: Path, rounds: int) -> tuple[list[float], float]:
    with services(kind) as (address, redis_url, folder):
        settings = Settings(
            home=folder / "home",
            database_url=address,
            redis_url=redis_url,
            port=free_port(),
            accounts="shared",
        )
        engine.upgrade(settings.database_address)
        with Database(settings.database_address) as database:
            headers = {"Authorization": f"Bearer {token_of(database, 'ada')}"}
        base = f"http://127.0.0.1:{settings.port}"
        with (
            serving(settings, tree, ["-m", "webui"], folder) as server,
            httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as client,
        ):
            before = server.cpu_times()
            times = [_submit(client, number) for number in range(rounds)]
            after = server.cpu_times()
    return times, after.user + after.system - before.user - before.system


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


if __name__ == "__main__":
    main()
