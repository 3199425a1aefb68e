"""Many viewers of one run: `python -m bench.streams`, or `make bench-streams`.

A real web server, real Redis, PostgreSQL or SQLite, and a run that steps: its samples and log lines
are written by the recorder and announced as a worker does it. Each line says when it was handed to
the recorder; a viewer's delay is from then until the line has arrived. Meanwhile somebody asks for
the health check and for pages. Viewers are plain sockets in a process of their own; all of it
shares the cores of one machine with the server.

`--tree` names the folder of another commit, whose server is measured with the same tables.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import multiprocessing
import os
import re
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import psutil

from cli.stack.ports import free_port
from core import workers
from core.database import engine
from core.database.engine import Database
from core.jobs import claim, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.claim import Claimant
from core.jobs.recorder import Recorder
from core.messaging.pubsub import Wakeups
from core.protocol.reports import Line, StepMetrics
from core.settings import Settings
from core.spec import presets
from core.workers import WorkerFacts
from tests import reported
from tests.services import Postgres, RedisServer, wait_until

ROOT = Path(__file__).parents[1]
STAMP = re.compile(rb"at ([0-9]+\.[0-9]+)!")
OPENING_AT_ONCE = 50
OPENING_TIMEOUT_S = 30.0
LEASE_S = 600.0
PROBE_EVERY_S = 0.05
MEGABYTE = 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--viewers", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--per-second", type=float, default=4, help="changes of the run")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--tree", type=Path, default=ROOT, help="whose server")
    parser.add_argument("--command", nargs="+", default=["-m", "webui"], help="how it is started")
    parser.add_argument("--threads", type=int, default=64, help="TRAINYARD_WEB_THREADS")
    chosen = parser.parse_args()
    allow_many_files()
    print(
        f"{chosen.database}, {chosen.per_second:g} changes/s for {chosen.seconds:g} s, "
        f"{os.cpu_count()} cores, server of {chosen.tree.name}, {chosen.threads} threads"
    )
    print(
        f"{'viewers':>8} {'open':>6} {'lines':>6} {'lost':>6}"
        f" {'delay p50':>10} {'p95':>8} {'max':>8}"
        f" {'memory':>8} {'cpu':>5} {'health p50':>11} {'p95':>8} {'list p95':>9} {'run p95':>8}"
    )
    for viewers in chosen.viewers:
        with services(chosen.database) as (address, redis_url, folder):
            settings = Settings(
                home=folder / "home",
                database_url=address,
                redis_url=redis_url,
                port=free_port(),
                web_threads=chosen.threads,
            )
            engine.upgrade(settings.database_address)
            with serving(settings, chosen.tree, chosen.command, folder) as server:
                print(measure(settings, server, viewers, chosen.seconds, chosen.per_second))


@contextlib.contextmanager
def services(kind: str) -> Iterator[tuple[str, str, Path]]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(RedisServer(folder))
        address = f"sqlite:///{folder / 'bench.db'}"
        if kind == "postgresql":
            address = stack.enter_context(Postgres()).new_database()
        yield address, redis.url, folder


@contextlib.contextmanager
def serving(
    settings: Settings, tree: Path, command: list[str], folder: Path
) -> Iterator[psutil.Process]:
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(tree), *(each for each in inherited if each and each != str(ROOT))]
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=tree,
            env=os.environ | settings.environment() | {"PYTHONPATH": os.pathsep.join(paths)},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: answers(settings), f"it serves; see {log.name}")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(settings: Settings) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{settings.port}/healthz", trust_env=False).is_success
    return False


def measure(
    settings: Settings, server: psutil.Process, viewers: int, seconds: float, per_second: float
) -> str:
    with Database(settings.database_address) as database:
        recorder, job_id = begin(database)
        ours, theirs = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        crowd = spawn.Process(target=watch, args=(settings.port, job_id, viewers, theirs))
        crowd.start()
        opened = ours.recv()
        probe = Probe(settings.port, job_id)
        cpu = cpu_s(server)
        started = time.monotonic()
        lines = step(recorder, Wakeups(settings.redis_url), job_id, seconds, per_second, probe)
        time.sleep(1)
        busy = (cpu_s(server) - cpu) / (time.monotonic() - started)
        memory = sum(each.memory_info().rss for each in family(server)) / MEGABYTE
        probe.stop()
        ours.send("stop")
        delays: list[float] = ours.recv()
        crowd.join()
    lost = opened * lines - len(delays)
    return (
        f"{viewers:>8} {opened:>6} {lines:>6} {lost:>6} {percentile(delays, 50):>7.0f} ms"
        f" {percentile(delays, 95):>5.0f} ms {percentile(delays, 100):>5.0f} ms {memory:>5.0f} MB"
        f" {busy:>5.0%} {probe.took('/healthz', 50):>8.0f} ms {probe.took('/healthz', 95):>5.0f} ms"
        f" {probe.took('/', 95):>6.0f} ms {probe.took(f'/jobs/{job_id}', 95):>5.0f} ms"
    )


def begin(database: Database) -> tuple[Recorder, int]:
    """A run that a worker has claimed and started."""
    worker = workers.register(database, WorkerFacts("bench", 1, "0", ["default"], [], 1))
    lifecycle.submit(database, LOCAL_OWNER, name="bench", spec=presets.resolve("quick", {}))
    lease = claim.claim(database, Claimant(worker, ["default"]), LEASE_S)
    assert lease is not None
    recorder = Recorder(database, lease, LEASE_S)
    recorder.record(reported.started(epochs=1000))
    recorder.flush()
    return recorder, lease.job_id


def step(
    recorder: Recorder,
    wakeups: Wakeups,
    job_id: int,
    seconds: float,
    per_second: float,
    probe: Probe,
) -> int:
    """Let the run step, while somebody asks for pages; the lines that were written."""
    thread = threading.Thread(target=probe.run)
    thread.start()
    count = int(seconds * per_second)
    due = time.monotonic()
    for number in range(1, count + 1):
        recorder.record(
            StepMetrics(
                step=number,
                epoch=1,
                batch=number,
                train_loss=1,
                learning_rate=0.1,
                images_per_s=1,
                eta_s=1,
            )
        )
        recorder.record(Line(text=f"at {time.time():.6f}!"))
        recorder.flush()
        wakeups.announce("changed", job_id)
        due += 1 / per_second
        time.sleep(max(0.0, due - time.monotonic()))
    return count


class Probe:
    """Somebody who asks for the health check, the list of runs and the page of the run in turn."""

    def __init__(self, port: int, job_id: int) -> None:
        self._port = port
        self._paths = ("/healthz", "/", "/healthz", f"/jobs/{job_id}")
        self._times: dict[str, list[float]] = {}
        self._stop = threading.Event()

    def run(self) -> None:
        """Ask until told to stop; a new connection each time."""
        asked = 0
        while not self._stop.wait(PROBE_EVERY_S):
            path = self._paths[asked % len(self._paths)]
            asked += 1
            started = time.perf_counter()
            client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            with contextlib.suppress(OSError), contextlib.closing(client):
                client.request("GET", path)
                client.getresponse().read()
            self._times.setdefault(path, []).append(1000 * (time.perf_counter() - started))

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()

    def took(self, path: str, percent: float) -> float:
        """How long an address took, in milliseconds."""
        return percentile(self._times.get(path, []), percent)


@dataclass(slots=True)
class Viewer:
    """One open stream."""

    connection: socket.socket
    text: bytes = b""
    is_open: bool = False


@dataclass(slots=True)
class Crowd:
    """Viewers that are waited for together."""

    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    delays: list[float] = field(default_factory=list)
    opened: int = 0

    def add(self, port: int, job_id: int) -> None:
        """Open one more stream."""
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(
            f"GET /api/v1/jobs/{job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        )
        connection.setblocking(False)
        self.selector.register(connection, selectors.EVENT_READ, Viewer(connection))

    def read(self, timeout: float) -> None:
        """Take what has arrived."""
        for key, _ in self.selector.select(timeout):
            viewer: Viewer = key.data
            arrived = viewer.connection.recv(65536)
            now = time.time()
            if not arrived:
                self.selector.unregister(viewer.connection)
                continue
            viewer.text = (viewer.text + arrived)[-100_000:]
            if not viewer.is_open and b"event: job" in viewer.text:
                viewer.is_open = True
                self.opened += 1
            end = 0
            for match in STAMP.finditer(viewer.text):
                self.delays.append(1000 * (now - float(match[1])))
                end = match.end()
            # a stamp that has arrived in part stays
            viewer.text = viewer.text[max(end, len(viewer.text) - 40) :] if viewer.is_open else b""


def watch(port: int, job_id: int, viewers: int, pipe: Connection) -> None:
    """Open streams, say how many there are, and at the end how long each line took."""
    allow_many_files()
    crowd = Crowd()
    added = 0
    deadline = time.monotonic() + OPENING_TIMEOUT_S
    while crowd.opened < viewers and time.monotonic() < deadline:
        if added < viewers and added - crowd.opened < OPENING_AT_ONCE:
            crowd.add(port, job_id)
            added += 1
        crowd.read(0 if added < viewers else 0.05)
    pipe.send(crowd.opened)
    while not pipe.poll():
        crowd.read(0.05)
    pipe.send(crowd.delays)


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def cpu_s(process: psutil.Process) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in family(process))


def percentile(values: list[float], percent: float) -> float:
    if len(values) < 2:
        return float("nan")
    if percent == 100:
        return max(values)
    return statistics.quantiles(values, n=100, method="inclusive")[int(percent) - 1]


def allow_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))


if __name__ == "__main__":
    main()
