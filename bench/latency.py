"""From submit to first batch on an idle worker: `python -m bench.latency`, or `make bench-latency`.

A real worker with one CPU slot, real Redis, SQLite, MNIST on the disk. Each of the submits waits
until the worker is idle and its spare is warm, then times what a person waits for:

    commit      the job's row is in the database
    ring        the notifier's message is with Redis
    claim       the worker has heard it and the row is its own
    hand-over   the trainer has its order
    first batch the supervisor has heard of the first batch's end
    shown       the first batch is in the database, where the API and the page see it

The worker runs under `bench/stamps.py`, which notes the times at which its functions are called
and changes nothing else. In the same run a bare Celery task, which returns at once, makes its
round trip through the same Redis server: publish to result.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from celery import Celery

from bench.state import look, worker_is_there
from core.database import engine
from core.database.engine import Database
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.spec.presets import resolve
from tests.services import RedisServer, wait_until
from worker.cores import usable_cores
from worker.training.data import download

TIMEOUT_S = 60.0
NAME = "bench"
SETTLE_S = 0.3
PARTS = ("commit", "ring", "claim", "hand-over", "first batch", "shown")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("submits", type=int, nargs="?", default=50)
    parser.add_argument("--preset", default="tutorial")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis:
        home, redis_url = Path(folder) / "home", redis.url
        data = os.environ.get("TRAINYARD_DATA")
        chosen_data: dict[str, Any] = {"data": Path(data)} if data else {}
        settings = Settings(
            home=home,
            redis_url=redis_url,
            slots=1,
            worker_name=NAME,
            **chosen_data,
        )
        download.ensure("mnist", settings.data_folder, print)
        engine.upgrade(settings.database_address)
        celery_s = bare_celery(redis_url, chosen.submits, Path(folder))
        rows = submits(settings, chosen.preset, chosen.submits, Path(folder))
    report(rows, celery_s, chosen.preset)


def submits(settings: Settings, preset: str, count: int, folder: Path) -> list[dict[str, float]]:
    """Submit one run after the other, each to an idle worker; cancel it after its first batch."""
    stamps = folder / "stamps.jsonl"
    worker = subprocess.Popen(
        [sys.executable, "-m", "bench.stamps", str(stamps)],
        env=os.environ | settings.environment(),
        stdout=subprocess.DEVNULL,
        stderr=(folder / "worker.log").open("wb"),
    )
    notifier, wakeups = Notifier(settings.redis_url), Wakeups(settings.redis_url)
    rows = []
    try:
        with Database(settings.database_address) as tables:
            wait_until(lambda: worker_is_there(tables, NAME), "the worker is there")
            for number in range(count + 1):
                wait_until_idle(worker.pid)
                submitted = time.monotonic()
                job = lifecycle.submit(
                    tables, LOCAL_OWNER, name="latency", spec=resolve(preset, {"device": "cpu"})
                )
                committed = time.monotonic()
                notifier.notify(job.queue)
                notified = time.monotonic()
                wait_until(lambda job=job: "shown" in read(stamps, job.id), "the first batch")
                lifecycle.cancel(tables, job.id, LOCAL_OWNER)
                wakeups.announce("asked", job.id)
                wait_until(lambda job=job: look(tables, job.id).finished_at, "the end")
                seen = read(stamps, job.id)
                if number:  # the first warms up this process's own connections
                    moments = (
                        submitted,
                        committed,
                        notified,
                        seen["claim"],
                        seen["give"],
                        seen["first"],
                    )
                    rows.append(
                        dict(
                            zip(
                                PARTS,
                                (
                                    later - earlier
                                    for earlier, later in zip(
                                        moments, (*moments[1:], seen["shown"]), strict=True
                                    )
                                ),
                                strict=True,
                            )
                        )
                    )
    finally:
        worker.terminate()
        worker.wait(TIMEOUT_S)
    return rows


def bare_celery(redis_url: str, count: int, folder: Path) -> list[float]:
    """Publish-to-result seconds of a Celery task that does nothing, on a worker with Celery's
    own defaults but one process."""
    module = folder / "bare.py"
    module.write_text(
        "from celery import Celery\n"
        f"app = Celery('bare', broker='{redis_url}', backend='{redis_url}')\n"
        "app.conf.broker_connection_retry_on_startup = True\n"
        "@app.task(name='bare.nothing')\n"
        "def nothing():\n    return 1\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "bare", "worker", "--concurrency=1"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    app = Celery("asker", broker=redis_url, backend=redis_url, set_as_current=False)
    seconds = []
    try:
        app.send_task("bare.nothing").get(timeout=TIMEOUT_S)
        for _ in range(count):
            began = time.monotonic()
            app.send_task("bare.nothing").get(timeout=TIMEOUT_S, interval=0.001)
            seconds.append(time.monotonic() - began)
    finally:
        worker.terminate()
        worker.wait(TIMEOUT_S)
    return seconds


def read(stamps: Path, job_id: int) -> dict[str, float]:
    """The moments of one job."""
    if not stamps.exists():
        return {}
    lines = [json.loads(line) for line in stamps.read_text().splitlines()]
    return {line["what"]: line["at"] for line in lines if line["job"] == job_id}


def wait_until_idle(process_id: int) -> None:
    """Wait until nothing of the worker computes: its spare has warmed up."""
    worker = psutil.Process(process_id)
    before: dict[int, float] = {}
    while True:
        time.sleep(SETTLE_S)
        after = {
            process.pid: sum(process.cpu_times()[:2])
            for process in (worker, *worker.children(recursive=True))
        }
        # worker, zygote and spare
        computed = sum(after.values()) - sum(before.values())
        if before.keys() == after.keys() and len(after) == 3 and computed < SETTLE_S / 10:
            return
        before = after


def report(rows: list[dict[str, float]], celery_s: list[float], preset: str) -> None:
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} cores, {len(rows)} submits of "
        f"{preset} on MNIST to an idle worker (CPU, SQLite)"
    )
    print(f"{'':38}{'median':>9}{'p95':>9}{'max':>9}  ms")
    for part in PARTS:
        line(part, [row[part] for row in rows])
    line("submit to first batch", [sum(row.values()) - row["shown"] for row in rows])
    line("submit to first batch, as it is shown", [sum(row.values()) for row in rows])
    line("bare Celery task, round trip", celery_s)


def line(name: str, seconds: list[float]) -> None:
    values = sorted(second * 1000 for second in seconds)
    p95 = statistics.quantiles(values, n=20, method="inclusive")[-1]
    print(f"{name:38}{statistics.median(values):9.1f}{p95:9.1f}{values[-1]:9.1f}")


if __name__ == "__main__":
    main()
