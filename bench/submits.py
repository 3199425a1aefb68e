"""Submits by the API: `python -m bench.submits`, or `make bench-submits`.

A real web server with accounts, real Redis, PostgreSQL or SQLite, and a live worker that runs
nothing. One client submits one run after the other, and then several do at once; each shows an API
token, and each submit has a key of its own and differs by its seed. With `--people` the clients are
of several people. Told are the times until the answer, how many were accepted a second, what CPU
the server took for one, and whether each run that was accepted is there once. The clients share the
cores of one machine with the server and the database.

`--processes` names how many of the server there are, in turn; `--tree` names the folders of other
commits, whose servers are measured beside.
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
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import text

from bench.streams import ROOT, services, serving
from cli.stack.ports import free_port
from core import workers
from core.accounts import people, tokens
from core.database import engine
from core.database.engine import Database
from core.settings import Settings
from core.workers import WorkerFacts

WARM = 20
ASKED_P50_MS, ASKED_P95_MS, ASKED_A_SECOND = 12, 30, 200


@dataclass(slots=True)
class Client:
    """Somebody who submits runs over one connection, one after the other."""

    port: int
    name: str
    token: str
    accepted: list[int] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)

    def submit(self, count: int) -> None:
        """Submit so many runs."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for number in range(count):
            key = f"{self.name}-{number}"
            body = {"name": key, "preset": "quick", "spec": {"seed": number}}
            headers = {
                "Content-Type": "application/json",
                "Idempotency-Key": key,
                "Authorization": f"Bearer {self.token}",
            }
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
    parser.add_argument("--people", type=int, default=1, help="of whom the clients are")
    parser.add_argument("--processes", type=int, nargs="+", default=[1], help="of the server")
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
                for count in chosen.processes:
                    for told in measure(kind, tree.resolve(), count, chosen):
                        print(f"{kind:10} {tree.name:10} {count} x {told}", flush=True)


def measure(kind: str, tree: Path, processes: int, chosen: argparse.Namespace) -> Iterator[str]:
    """Time one client, and then several at once."""
    with services(kind) as (address, redis_url, folder):
        settings = Settings(
            home=folder / "home",
            database_url=address,
            redis_url=redis_url,
            port=free_port(),
            accounts="shared",
            requests_per_minute=0,
            web_processes=processes,
        )
        engine.upgrade(settings.database_address)
        with Database(settings.database_address) as database, _worker(database):
            shown = [token_of(database, f"person-{number}") for number in range(chosen.people)]
            several = [
                Client(settings.port, f"client {number}", shown[number % len(shown)])
                for number in range(chosen.clients)
            ]
            alone = [Client(settings.port, "alone", shown[0])]
            with serving(settings, tree, ["-m", "webui"], folder) as server:
                Client(settings.port, "warm", shown[0]).submit(WARM)
                yield _told(alone, *_timed(server, alone, chosen.submits))
                each = chosen.submits // chosen.clients
                yield _told(several, *_timed(server, several, each))
            _check(database, [each for client in (*alone, *several) for each in client.accepted])


def token_of(database: Database, name: str) -> str:
    """An API token of somebody new."""
    with people.changing(database) as session:
        actor = people.as_actor(people.add(session, name, "member", None))
    text, _ = tokens.make(database, actor, "bench", "submit", None)
    return text


@contextmanager
def _worker(database: Database) -> Iterator[None]:
    """A worker that is live, and asks for nothing."""
    cpu = {"kind": "cpu", "name": "CPU"}
    worker_id = workers.register(database, WorkerFacts("bench", 1, "0", ("default",), [cpu], 2))
    stop = threading.Event()

    def live() -> None:
        while not stop.wait(1.0):
            workers.heartbeat(database, worker_id)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _timed(server: psutil.Process, clients: list[Client], count: int) -> tuple[float, float]:
    """How long it took, and how much CPU of the server, both in seconds."""
    threads = [threading.Thread(target=client.submit, args=[count]) for client in clients]
    before_s, began = _cpu_s(server), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, _cpu_s(server) - before_s


def _cpu_s(process: psutil.Process) -> float:
    used = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in used))


def _told(clients: list[Client], seconds: float, cpu_s: float) -> str:
    ordered = sorted(each for client in clients for each in client.times_ms)
    p95 = ordered[int(len(ordered) * 0.95)]
    return (
        f"{len(clients)} clients: p50 {statistics.median(ordered):6.1f}  p95 {p95:6.1f}  "
        f"max {ordered[-1]:6.1f} ms, {len(ordered) / seconds:5.0f} a second, "
        f"{1000 * cpu_s / len(ordered):4.1f} ms of CPU each"
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
