"""What a worker costs while nothing is to do, and what a running job costs the database.

`python -m bench.idle`, or `make bench-idle`. A real worker with one slot and one spare, Redis,
SQLite. First it idles: its processor time, with that of its zygote and its spare. Then it runs a
job of long epochs (MNIST, tutorial) and one of very short ones (digits): statements a second, those
of the run and those of the worker's own housekeeping apart. `BEGIN` and `COMMIT` are not counted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.state import look, worker_is_there
from core.database import engine
from core.database.engine import Database
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.spec.presets import resolve
from tests.services import RedisServer, wait_until
from worker.cores import usable_cores
from worker.training.data import download

SETTLE_S = 5.0
NAME = "bench"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    data = os.environ.get("TRAINYARD_DATA")
    chosen_data: dict[str, Any] = {"data": Path(data)} if data else {}
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis:
        counts = Path(folder) / "counts"
        settings = Settings(
            home=Path(folder) / "home",
            redis_url=redis.url,
            slots=1,
            worker_name=NAME,
            **chosen_data,
        )
        for name in ("mnist", "digits"):
            download.ensure(name, settings.data_folder, print)
        engine.upgrade(settings.database_address)
        worker = subprocess.Popen(
            [sys.executable, "-m", "bench.counted", str(counts)],
            env=os.environ | settings.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with Database(settings.database_address) as tables:
                wait_until(lambda: worker_is_there(tables, NAME), "the worker is there")
                time.sleep(SETTLE_S)
                idle = measure(worker.pid, counts, seconds)
                rows = {"idle": idle}
                for name, spec in (
                    ("running tutorial on MNIST", {"epochs": 1000}),
                    ("running digits, short epochs", {"dataset": "digits", "epochs": 1000}),
                ):
                    preset = "tutorial" if "MNIST" in name else "quick"
                    job = lifecycle.submit(
                        tables, LOCAL_OWNER, name="idle", spec=resolve(preset, spec)
                    )
                    wait_until(lambda job=job.id: look(tables, job).state == "running", "it runs")
                    time.sleep(SETTLE_S)
                    rows[name] = measure(worker.pid, counts, min(20.0, seconds))
                    lifecycle.cancel(tables, job.id, LOCAL_OWNER)
                    Wakeups(settings.redis_url).announce("asked", job.id)
                    wait_until(
                        lambda job=job.id: look(tables, job).state != "running", "it has ended"
                    )
        finally:
            worker.terminate()
            worker.wait(60)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} cores, {seconds:.0f} s idle")
    print(f"{'':32}{'% of a core':>12}{'statements/s: run':>20}{'housekeeping':>14}")
    for name, (share, run, housekeeping) in rows.items():
        core = f"{share:.2%}" if name == "idle" else ""
        print(f"{name:32}{core:>12}{run:20.2f}{housekeeping:14.2f}")


def measure(process_id: int, counts: Path, seconds: float) -> tuple[float, float, float]:
    """The share of a core, and the statements a second of runs and of housekeeping."""
    before, computed, began = read(counts), processor_s(process_id), time.monotonic()
    time.sleep(seconds)
    after, spent = read(counts), time.monotonic() - began
    housekeeping, run = ((new - old) / spent for new, old in zip(after, before, strict=True))
    return (processor_s(process_id) - computed) / spent, run, housekeeping


def processor_s(process_id: int) -> float:
    """Processor time of a worker, its zygote and what that has forked."""
    worker = psutil.Process(process_id)
    return sum(
        sum(process.cpu_times()[:2]) for process in (worker, *worker.children(recursive=True))
    )


def read(counts: Path) -> list[int]:
    return [int(word) for word in counts.read_text().split()]


if __name__ == "__main__":
    main()
