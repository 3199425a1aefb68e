"""How soon faults and requests take effect: `python -m bench.recovery`, `make bench-recovery`.

Real workers with the default settings (lease 15 s, grace 10 s), real trainers, Redis, SQLite. Each
row: how long until

    cancel -> no process left       from the call of `cancel` to the end of the trainer's process
    worker killed -> trainer gone   from SIGKILL to the end of the trainer's process
    worker killed -> running again  from SIGKILL to the next attempt's training: on another worker
                                    of the same host, on a worker that is started there only then,
                                    and on another host (here: one with another data folder)
    trainer killed -> running again from the end of the pause after a crash to the next training

`--busy N` has N processes compute all the while, to see the same on a crowded machine.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench.busy import computing
from bench.state import look, worker_is_there
from core import hosts, queries
from core.database import engine
from core.database.engine import Database
from core.database.models import Attempt, Job
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.spec.presets import resolve
from tests.services import RedisServer, is_gone, wait_until
from worker.cores import usable_cores
from worker.training.data import download

TIMEOUT_S = 120.0
SPEC = {"dataset": "digits", "epochs": 1000, "device": "cpu"}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--busy", type=int, default=0, metavar="N")
    parser.add_argument("--cancels", type=int, default=50)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--crashes", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as redis:
        settings = Settings(home=Path(folder) / "home", redis_url=redis.url, slots=1)
        download.ensure("digits", settings.data_folder, lambda _text: None)
        engine.upgrade(settings.database_address)
        with Database(settings.database_address) as tables, computing(chosen.busy):
            bench = Bench(settings, tables)
            try:
                rows = {
                    "cancel -> no process left": bench.cancels(chosen.cancels),
                    "trainer killed -> running again": bench.crashes(chosen.crashes),
                    "worker killed -> started again, runs": bench.restarts(chosen.kills),
                }
                gone, here = bench.kills(chosen.kills)
                _, elsewhere = bench.kills(chosen.kills, elsewhere=True)
            finally:
                bench.stop()
    rows |= {
        "worker killed -> trainer gone": gone,
        "worker killed -> runs on the same host": here,
        "worker killed -> runs on another host": elsewhere,
    }
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} cores, {chosen.busy} processes computing "
        "beside"
    )
    print(f"{'':40}{'count':>7}{'median':>9}{'p95':>9}{'max':>9}  s")
    for name, seconds in rows.items():
        ordered = sorted(seconds)
        at_least_two = ordered if len(ordered) > 1 else ordered * 2
        p95 = statistics.quantiles(at_least_two, n=20, method="inclusive")[-1]
        print(
            f"{name:40}{len(ordered):7}{statistics.median(ordered):9.2f}{p95:9.2f}"
            f"{ordered[-1]:9.2f}"
        )


class Bench:
    """Workers, and the times that things take with them."""

    def __init__(self, settings: Settings, tables: Database) -> None:
        self._settings = settings
        self._tables = tables
        self._wakeups = Wakeups(settings.redis_url)
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self._chance = random.Random(0)

    def cancels(self, count: int) -> list[float]:
        """Cancel runs at random moments."""
        [name] = self._start(1)
        seconds = []
        for _ in range(count):
            job = self._train()
            trainer = self._trainer(name)
            time.sleep(self._chance.uniform(0.0, 0.5))
            began = time.monotonic()
            lifecycle.cancel(self._tables, job.id, LOCAL_OWNER)
            self._wakeups.announce("asked", job.id)
            wait_until(lambda trainer=trainer: is_gone(trainer), "the trainer is gone", every=0.002)
            seconds.append(time.monotonic() - began)
            wait_until(
                lambda job=job: look(self._tables, job.id).state == "cancelled", "it is cancelled"
            )
        return seconds

    def crashes(self, count: int) -> list[float]:
        """Kill trainers, and wait until the next try trains."""
        [name] = self._workers
        seconds = []
        for _ in range(count):
            job = self._train()
            self._trainer(name).kill()
            wait_until(
                lambda job=job: look(self._tables, job.id).state == "queued", "it is queued again"
            )
            due_at = look(self._tables, job.id).available_at.timestamp()
            wait_until(lambda job=job: self._trains(job, 2), "it trains again")
            seconds.append(max(0.0, time.time() - due_at))
            self._cancel(job)
        return seconds

    def restarts(self, count: int) -> list[float]:
        """Kill the one worker, start it again at once, and wait until its run trains."""
        seconds = []
        for _ in range(count):
            job = self._train()
            [(_name, worker)] = self._workers.items()
            began = time.monotonic()
            worker.kill()
            self._workers.clear()
            self._launch()
            wait_until(lambda job=job: self._trains(job, 2), "it trains again")
            seconds.append(time.monotonic() - began)
            self._cancel(job)
        return seconds

    def kills(self, count: int, *, elsewhere: bool = False) -> tuple[list[float], list[float]]:
        """Kill workers, and wait until their trainers are gone and their runs train on another."""
        self.stop()
        self._start(2, elsewhere=elsewhere)
        gone, again = [], []
        for _ in range(count):
            job = self._train()
            name = self._worker_of(job)
            trainer = self._trainer(name)
            began = time.monotonic()
            self._workers.pop(name).kill()
            wait_until(lambda trainer=trainer: is_gone(trainer), "the trainer is gone", every=0.002)
            gone.append(time.monotonic() - began)
            wait_until(lambda job=job: self._trains(job, 2), "it trains on another")
            again.append(time.monotonic() - began)
            self._cancel(job)
            self._start(1, elsewhere=elsewhere)
        return gone, again

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.terminate()
            worker.wait(TIMEOUT_S)
        self._workers.clear()

    def _launch(self, *, elsewhere: bool = False) -> str:
        """Start a worker; one that is elsewhere has a data folder of its own."""
        name = f"worker-{random.randrange(10**9)}"
        changes: dict[str, object] = {"worker_name": name}
        if elsewhere:
            folder = self._settings.home / f"data-{name}"
            shutil.copytree(self._settings.data_folder, folder, ignore=_without_locks)
            changes["data"] = folder
        settings = self._settings.model_copy(update=changes)
        self._workers[name] = subprocess.Popen(
            [sys.executable, "-m", "worker"],
            env=os.environ | settings.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return name

    def _start(self, count: int, *, elsewhere: bool = False) -> list[str]:
        names = [self._launch(elsewhere=elsewhere) for _ in range(count)]
        for name in names:
            wait_until(lambda name=name: worker_is_there(self._tables, name), f"{name} is there")
        return names

    def _train(self) -> Job:
        job = lifecycle.submit(
            self._tables, LOCAL_OWNER, name="recovery", spec=resolve("quick", SPEC)
        )
        wait_until(lambda: self._trains(job, 1), "it trains")
        return job

    def _cancel(self, job: Job) -> None:
        lifecycle.cancel(self._tables, job.id, LOCAL_OWNER)
        self._wakeups.announce("asked", job.id)
        wait_until(lambda: look(self._tables, job.id).state == "cancelled", "it is cancelled")

    def _trainer(self, name: str) -> psutil.Process:
        [zygote] = psutil.Process(self._workers[name].pid).children()
        [trainer] = zygote.children()
        return trainer

    def _worker_of(self, job: Job) -> str:
        with self._tables.reading() as session:
            return str(queries.job(session, job.id)[1])

    def _trains(self, job: Job, attempt: int) -> bool:
        with self._tables.reading() as session:
            row = session.get(Attempt, (job.id, attempt))
            return row is not None and row.first_step is not None


_without_locks = shutil.ignore_patterns(hosts.FOLDER)


if __name__ == "__main__":
    main()
