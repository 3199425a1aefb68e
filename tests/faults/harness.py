"""Five faults that job queues on PostgreSQL are tried with: `python -m tests.faults.harness`.

Each scenario has a database and workers of its own, some short runs, and one kind of fault while
they train: a worker killed, PostgreSQL restarted, workers killed again and again, connections
terminated one after the other, and 300 connections that only stand there. Then every run must have
succeeded once, with the weights of an undisturbed one, and nothing may be left behind. It takes a
few minutes and prints a table.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import select

from core.database import engine
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Attempt, Job
from core.errors import DatabaseUnavailable
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.messaging.notify import Notifier
from core.settings import Settings
from core.spec.presets import resolve
from core.states import FINAL
from core.storage.folder import Folder
from tests.faults import checker
from tests.faults.conftest import FAULTS_OF_OUR_OWN
from tests.faults.reference import References
from tests.services import Postgres, RedisServer, wait_until
from worker.cores import usable_cores
from worker.training.data import download

LEASE_S = 4.0
LONGEST_S = 600.0
"""For a scenario, from its submits to its last end."""
KILLS = 5
TERMINATING_S = 15.0
TERMINATE_EVERY_S = 0.2
IDLE = 300
DOWN_S = 3.0
SPEC: dict[str, Any] = {
    "dataset": "digits",
    "batch_size": 64,
    "device": "cpu",
    "model": {"channels": [8], "batch_norm": True, "dropout": 0.2},
    "optimizer": {"kind": "adamw"},
    "schedule": {"kind": "one_cycle"},
}


@dataclass
class Result:
    """What a scenario came to."""

    name: str
    jobs: int
    succeeded: int
    lost: int
    """Runs that did not come to an end, or not to a good one."""
    doubled: int
    """Runs that succeeded more than once."""
    attempts: int
    recovery_s: float | None
    """From the end of the fault until each run that it met trained on, or had ended."""
    seconds: float
    problems: list[str] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.lost or self.doubled or self.problems) or self.recovery_s is None


class Worker:
    """A worker process on a core of its own."""

    def __init__(self, settings: Settings, number: int, folder: Path) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self._program = (
            f"import os, runpy; os.sched_setaffinity(0, {{{cores[number % len(cores)]}}}); "
            "runpy.run_module('worker', run_name='__main__')"
        )
        self._environment = (
            os.environ
            | settings.model_copy(update={"worker_name": f"worker-{number}"}).environment()
        )
        self.log = folder / f"worker-{number}.log"
        self.start()

    def start(self) -> None:
        """Start it, again where it has ended."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", self._program],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill it outright, and start another in its place."""
        self.process.kill()
        self.process.wait()
        self.start()

    def end(self) -> None:
        """Let it stop in good order."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        self.process.kill()
        self.process.wait()


class Scenario:
    """A database, workers, and runs."""

    def __init__(self, postgres: Postgres, redis: RedisServer, data: Path, folder: Path) -> None:
        self.postgres = postgres
        self.address = postgres.new_database()
        self.settings = Settings(
            home=folder / "home",
            data=data,
            database_url=self.address,
            redis_url=redis.url,
            slots=1,
            lease_seconds=LEASE_S,
            grace_seconds=5.0,
        )
        engine.upgrade(self.address)
        self.tables = Database(self.address)
        self.storage = Folder(self.settings.home / "artifacts")
        self.workers: list[Worker] = []
        self._folder = folder

    def begin(self, jobs: int, epochs: int, workers: int) -> None:
        """Submit the runs, start the workers, and wait until all workers train."""
        for number in range(jobs):
            spec = resolve("quick", SPEC | {"epochs": epochs})
            lifecycle.submit(self.tables, LOCAL_OWNER, name=f"run {number}", spec=spec)
        Notifier(self.settings.redis_url).notify("default")
        self.workers = [Worker(self.settings, each, self._folder) for each in range(workers)]
        wait_until(lambda: len(self.running()) == workers, "every worker trains", 120)

    def running(self) -> dict[int, int]:
        """The runs that have begun to train: their ids, and of each the batches that are done."""
        with contextlib.suppress(DatabaseUnavailable), self.tables.reading() as session:
            rows = session.scalars(select(Job).where(Job.state == "running")).unique().all()
            return {job.id: job.progress.batch for job in rows if job.progress.batch}
        return {}

    def recovery(self, met: Sequence[int]) -> float | None:
        """Seconds from now until some runs train on, or have ended; None: that took too long."""
        began = time.monotonic()
        since = self._moment()
        while time.monotonic() - began < LONGEST_S / 2:
            with contextlib.suppress(DatabaseUnavailable), self.tables.reading() as session:
                jobs = session.scalars(select(Job).where(Job.id.in_(met))).unique().all()
                if all(job.state in FINAL or _writes(job, since) for job in jobs):
                    return time.monotonic() - began
            time.sleep(0.05)
        return None

    def wait_for_the_end(self, began: float) -> None:
        """Wait until every run has ended, but not for ever."""
        while time.monotonic() - began < LONGEST_S:
            with contextlib.suppress(DatabaseUnavailable):
                if all(job.state in FINAL for job in self.jobs()):
                    return
            time.sleep(0.2)

    def jobs(self) -> Sequence[Job]:
        """All runs."""
        with self.tables.reading() as session:
            return session.scalars(select(Job).order_by(Job.id)).unique().all()

    def end(self) -> None:
        """Stop the workers."""
        for worker in self.workers:
            worker.end()
        self.tables.dispose()

    def result(self, name: str, seconds: float, recovery_s: float | None, data: Path) -> Result:
        """What the rows and the blobs say."""
        jobs = self.jobs()
        with self.tables.reading() as session:
            attempts = session.scalars(select(Attempt)).all()
        successes = [each.job_id for each in attempts if each.outcome == "succeeded"]
        problems = checker.problems(self.tables, self.storage, References(data, threads=1))
        problems += checker.left_behind(self.tables, self.storage)
        problems += [
            f"{worker.log.name}: {words}"
            for worker in self.workers
            for words in FAULTS_OF_OUR_OWN
            if words in worker.log.read_text()
        ]
        return Result(
            name=name,
            jobs=len(jobs),
            succeeded=len(set(successes)),
            lost=sum(job.state != "succeeded" for job in jobs),
            doubled=len(successes) - len(set(successes)),
            attempts=len(attempts),
            recovery_s=recovery_s,
            seconds=seconds,
            problems=problems,
        )

    def _moment(self) -> datetime:
        with self.tables.reading() as session:
            moment: datetime = session.scalars(select(now())).one()
            return moment


def _writes(job: Job, since: datetime) -> bool:
    """Whether a run trains, by a word of its worker after a moment."""
    at = job.progress.last_heartbeat_at
    return job.state == "running" and at is not None and at > since


# the scenarios: each gives the runs that its fault met last


def kill_a_worker(scenario: Scenario) -> list[int]:
    """SIGKILL of one worker while all train."""
    met = list(scenario.running())
    scenario.workers[0].kill()
    return met


def restart_postgresql(scenario: Scenario) -> list[int]:
    """PostgreSQL stops as in a crash, and is back some seconds later."""
    met = list(scenario.running())
    scenario.postgres.stop()
    time.sleep(DOWN_S)
    scenario.postgres.start()
    return met


def kill_workers_repeatedly(scenario: Scenario) -> list[int]:
    """One worker after the other is killed, each time as soon as some run trains on."""
    met: list[int] = []
    for number in range(KILLS):
        wait_until(lambda: scenario.running() or _is_over(scenario), "a run trains", 120)
        met = list(scenario.running())
        scenario.workers[number % len(scenario.workers)].kill()
        time.sleep(2 * LEASE_S / KILLS)
    return met


def terminate_connections(scenario: Scenario) -> list[int]:
    """pg_terminate_backend of one connection after the other, for a while."""
    met = list(scenario.running())
    deadline = time.monotonic() + TERMINATING_S
    with psycopg.connect(_plain(scenario.address), autocommit=True) as connection:
        while time.monotonic() < deadline:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "ORDER BY random() LIMIT 1"
            )
            time.sleep(TERMINATE_EVERY_S)
    return met


def hold_idle_connections(scenario: Scenario) -> list[int]:
    """300 connections that do nothing stand beside the work until its end."""
    met = list(scenario.running())
    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(psycopg.connect(_plain(scenario.address)))
        scenario.wait_for_the_end(time.monotonic())
    return met


SCENARIOS: dict[str, Callable[[Scenario], list[int]]] = {
    "a worker killed": kill_a_worker,
    "PostgreSQL restarted": restart_postgresql,
    f"workers killed {KILLS} times": kill_workers_repeatedly,
    f"pg_terminate_backend for {TERMINATING_S:.0f} s": terminate_connections,
    f"{IDLE} idle connections": hold_idle_connections,
}


def _is_over(scenario: Scenario) -> bool:
    return all(job.state in FINAL for job in scenario.jobs())


def _plain(address: str) -> str:
    return address.replace("postgresql+psycopg://", "postgresql://")


def main() -> None:
    parser = argparse.ArgumentParser(description="Five faults, then a table of results.")
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    results = list(_results(chosen))
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} cores, {chosen.workers} workers, "
        f"{chosen.epochs} epochs a run, leases of {LEASE_S:.0f} s\n"
    )
    print("| fault | runs | succeeded | lost | doubled | attempts | recovery, s | in all, s |")
    print("|---|---|---|---|---|---|---|---|")
    for each in results:
        recovery = "never" if each.recovery_s is None else f"{each.recovery_s:.1f}"
        print(
            f"| {each.name} | {each.jobs} | {each.succeeded} | {each.lost} | {each.doubled} "
            f"| {each.attempts} | {recovery} | {each.seconds:.0f} |"
        )
    for each in results:
        for problem in each.problems:
            print(f"{each.name}: {problem}")
    sys.exit(any(each.is_bad for each in results))


def _results(chosen: argparse.Namespace) -> Iterator[Result]:
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(RedisServer(base))
        postgres = stack.enter_context(Postgres(connections=IDLE + 200))
        data = base / "data"
        download.ensure("digits", data, lambda _text: None)
        for number, (name, fault) in enumerate(SCENARIOS.items()):
            redis.flush()
            folder = base / str(number)
            folder.mkdir()
            began = time.monotonic()
            scenario = Scenario(postgres, redis, data, folder)
            try:
                scenario.begin(chosen.jobs, chosen.epochs, chosen.workers)
                recovery_s = scenario.recovery(fault(scenario))
                scenario.wait_for_the_end(began)
            finally:
                seconds = time.monotonic() - began
                scenario.end()
            result = scenario.result(name, seconds, recovery_s, data)
            print(f"{name}: {'WRONG' if result.is_bad else 'well'}, {seconds:.0f} s", flush=True)
            yield result


if __name__ == "__main__":
    main()
