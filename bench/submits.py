"""Submits by the API: `python -m bench.submits`, or `make bench-submits`.

A real web server, real Redis, PostgreSQL or SQLite. One client submits one run after the other, and
then several do at once; each submit has a key of its own and differs by its seed. Told are the
times until the answer, how many were accepted a second, and whether each run that was accepted is
there once. The clients share the cores of one machine with the server and the database.

`--tree` names the folders of other commits, whose servers are measured beside, in turn.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

from bench.streams import ROOT, services, serving
from cli.stack.ports import free_port
from core.database import engine
from core.database.engine import Database
from core.settings import Settings

WARM = 20
ASKED_P50_MS, ASKED_P95_MS, ASKED_A_SECOND = 12, 30, 200


@dataclass(slots=True)
class Client:
    """Somebody who submits runs over one connection, one after the other."""

    port: int
    name: str
    accepted: list[int] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)

    def submit(self, count: int) -> None:
        """Submit so many runs."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for number in range(count):
            key = f"{self.name}-{number}"
            body = {"name": key, "preset": "quick", "spec": {"seed": number}}
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
            began = time.perf_counter()
            connection.request("POST", "/api/v1/jobs", json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
            self.times_ms.append((time.perf_counter() - began) * 1000)
            if answer.status != http.client.CREATED:
                raise SystemExit(f"a submit was refused: {answer.status} {content[:300]!r}")
            self.accepted.append(json.loads(content)["id"])
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--on", choices=["sqlite", "postgresql"], nargs="+")
    parser.add_argument("--submits", type=int, default=400)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tree", type=Path, nargs="+", default=[ROOT], help="whose servers")
    chosen = parser.parse_args()
    print(
        f"{chosen.submits} submits each, {os.cpu_count()} cores; asked: p50 {ASKED_P50_MS}, "
        f"p95 {ASKED_P95_MS} ms, {ASKED_A_SECOND} a second with 8 clients"
    )
    for kind in chosen.on or ["postgresql", "sqlite"]:
        for _ in range(chosen.rounds):
            for tree in chosen.tree:
                for told in measure(kind, tree.resolve(), chosen.submits, chosen.clients):
                    print(f"{kind:10} {tree.name:10} {told}", flush=True)


def measure(kind: str, tree: Path, submits: int, clients: int) -> Iterator[str]:
    """Time one client, and then several at once."""
    with services(kind) as (address, redis_url, folder):
        settings = Settings(
            home=folder / "home", database_url=address, redis_url=redis_url, port=free_port()
        )
        engine.upgrade(settings.database_address)
        with serving(settings, tree, ["-m", "webui"], folder):
            Client(settings.port, "warm").submit(WARM)
            alone = [Client(settings.port, "alone")]
            yield _told(alone, _timed(alone, submits))
            several = [Client(settings.port, f"client {number}") for number in range(clients)]
            yield _told(several, _timed(several, submits // clients))
        with Database(settings.database_address) as database:
            _check(database, [each for client in (*alone, *several) for each in client.accepted])


def _timed(clients: list[Client], count: int) -> float:
    threads = [threading.Thread(target=client.submit, args=[count]) for client in clients]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _told(clients: list[Client], seconds: float) -> str:
    ordered = sorted(each for client in clients for each in client.times_ms)
    p95 = ordered[int(len(ordered) * 0.95)]
    return (
        f"{len(clients)} clients: p50 {statistics.median(ordered):6.1f}  p95 {p95:6.1f}  "
        f"max {ordered[-1]:6.1f} ms, {len(ordered) / seconds:5.0f} a second"
    )


def _check(database: Database, accepted: list[int]) -> None:
    """Say what is lost, or there twice."""
    with database.reading() as session:
        there = session.scalars(text("SELECT id FROM jobs ORDER BY id")).all()
    lost, more = set(accepted) - set(there), len(there) - WARM - len(accepted)
    if lost or more or len(set(accepted)) < len(accepted):
        raise SystemExit(f"{len(lost)} lost, {more} more than were accepted")


if __name__ == "__main__":
    main()
