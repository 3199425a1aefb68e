"""How soon a killed worker's trainer is gone: `python -m bench.kills`, or `make bench-kills`.

Real workers and trainers. Kills a worker outright, by turns while its trainer imports torch and
while it trains, and waits until the trainer's process has ended.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from core import database, queries, queue
from core.database import Database
from core.models import Job
from core.presets import resolve
from core.settings import Settings
from worker.devices import usable_cores
from worker.training import download

KILLS = 10
SPEC = {"dataset": "digits", "epochs": 1000}
TIMEOUT_S = 60.0


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        # no Redis is needed: an idle worker looks by itself
        settings = Settings(home=Path(home), lease_seconds=1, redis_url="redis://127.0.0.1:1/0")
        download.ensure("digits", settings.data_folder, lambda _text: None)
        database.upgrade(settings.database_address)
        with Database(settings.database_address) as tables:
            rows = {
                "importing": [kill(settings, tables, training=False) for _ in range(KILLS)],
                "training": [kill(settings, tables, training=True) for _ in range(KILLS)],
            }
    print(f"{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} cores, {KILLS} kills each")
    print(f"{'worker killed while its trainer is':36} {'median':>8} {'max':>8}  s to its end")
    for name, seconds in rows.items():
        print(f"{name:36} {statistics.median(seconds):8.2f} {max(seconds):8.2f}")


def kill(settings: Settings, tables: Database, *, training: bool) -> float:
    """Start a worker on a job of its own, kill it, and time the end of its trainer."""
    job = queue.submit(tables, name="kill", spec=resolve("quick", SPEC))
    worker = subprocess.Popen(
        [sys.executable, "-m", "worker"],
        env=os.environ | settings.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (trainers := psutil.Process(worker.pid).children()):
            time.sleep(0.005)
        while training and look(tables, job).epoch < 1:
            time.sleep(0.02)
    finally:
        queue.cancel(tables, job.id)  # so that no later worker takes it up
        worker.kill()
        killed_at = time.perf_counter()
        worker.wait()
    while not all(is_gone(trainer) for trainer in trainers):
        if time.perf_counter() - killed_at > TIMEOUT_S:
            sys.exit(f"A trainer lived on for {TIMEOUT_S:.0f} s: {trainers}")
        time.sleep(0.005)
    return time.perf_counter() - killed_at


def look(tables: Database, job: Job) -> Job:
    with tables.reading() as session:
        return queries.job(session, job.id)[0]


def is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


if __name__ == "__main__":
    main()
