"""A storm of faults over many short runs, then the checker: `python -m tests.faults.chaos`.

Real workers, trainers, Redis and PostgreSQL (or SQLite). Every few seconds a fault is drawn from
the list; which, when and upon whom follows from the seed (what it meets depends on the moment).
Workers that die are started again, as a service manager would do. When all faults have been done,
everything must come to its end; then `checker.py` reads database and blobs, and every run's weights
and epochs are compared with those of an undisturbed run of the same spec.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil
from sqlalchemy import ColumnElement, make_url, select, text
from sqlalchemy.orm import Session

from core import hosts
from core.database import engine
from core.database.clock import now
from core.database.engine import Database
from core.database.models import Attempt, Job, Worker
from core.datasets.builtin import DATASETS
from core.errors import Conflict, DatabaseUnavailable, NotFound
from core.jobs import deletion, endings, lanes, lifecycle, rests, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.spec.presets import resolve
from core.states import FINAL
from core.storage.folder import Folder
from tests.faults import checker
from tests.faults.conftest import DISK, FAULTS_OF_OUR_OWN
from tests.faults.proxy import Proxy
from tests.faults.reference import References
from tests.faults.storm_worker import StormWorker, Unfit
from tests.services import Postgres, RedisServer
from worker.cores import usable_cores
from worker.training.data import download

LEASE_S = 4.0
HANG_S = 15.0
UNDO_S = 3600.0
LONGEST_S = 1800.0
"""For a hundred runs, or for sixty faults; more of them may take longer."""
JOBS = 100
FAULTS = 60
MARK = "CHAOS"

T = TypeVar("T")


LOSING = (
    "kill a worker",
    "drain a worker",  # killed, where its time to drain is over
    "stop a worker for longer than its lease",
    "cut a worker off for longer than its lease",
    "stall a worker for longer than its lease",
    "cut a worker off from everything for longer than its lease",
    "start a worker without its data",
)

CRASHING = ("kill a trainer", "hang a trainer")
"""A trainer that stands still for long is found to hang; or it ends itself, its time being over."""
SPENT = ("crash", "hung")
"""What a run failed by whose budget of crashes is spent."""

FENCING = (
    "stop a worker for longer than its lease",
    "cut a worker off for longer than its lease",
    "stall a worker for longer than its lease",
    "cut a worker off from everything for longer than its lease",
)
"""A worker that cannot renew ends its trainer before another may take the run over."""
FENCING_ALL = "take the database away"
"""No worker knows whether it alone is cut off."""

BROKEN_S = 20.0
"""Seconds after which a worker is repaired that no run has met; shorter than its first rest."""
REPAIRED = ("resumed by a person", "started again", "left to its rest")
"""What becomes of a worker whose fault is repaired."""

SPECS: list[dict[str, Any]] = [
    {"optimizer": optimizer, "schedule": {"kind": schedule}, "model": {"dropout": dropout}}
    for optimizer, schedule, dropout in (
        ({"kind": "sgd"}, "constant", 0.0),
        ({"kind": "sgd", "momentum": 0.9, "nesterov": True}, "one_cycle", 0.2),
        ({"kind": "adam"}, "constant", 0.2),
        ({"kind": "adam"}, "one_cycle", 0.0),
        ({"kind": "adamw"}, "constant", 0.0),
        ({"kind": "adamw"}, "one_cycle", 0.3),
    )
]


FAULTS_OF_WORKERS = (
    select(Attempt, Worker.name)
    .join(Worker, Worker.id == Attempt.worker_id)
    .where(Attempt.outcome == "worker_fault")
)

CUT_OFF = "drained, since it was cut off"

STEPPED_CLOCK = (
    "CREATE SCHEMA storm",
    "CREATE TABLE storm.clock (ahead interval NOT NULL)",
    "INSERT INTO storm.clock VALUES ('0')",
    """CREATE FUNCTION storm.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
        AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM storm.clock'""",
)
"""What PostgreSQL finds before its own clock, where the search path says so."""


def _outcome(attempt: Attempt) -> str | None:
    """How an attempt ended; a run that was handed back is told from one that was fenced."""
    is_cut_off = attempt.reason is not None and attempt.reason.code == "worker.cut_off"
    return CUT_OFF if is_cut_off else attempt.outcome


def _cover_clock(address: str) -> None:
    """Let whoever connects from now on read a clock that can be set."""
    name = make_url(address).database
    with Database(address) as database, database.writing() as session:
        for statement in STEPPED_CLOCK:
            session.execute(text(statement))
        session.execute(text(f"ALTER DATABASE {name} SET search_path = storm, pg_catalog, public"))


def main() -> None:
    parser = argparse.ArgumentParser(description="A storm of faults, then the checker.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=JOBS, help="1000 for the large storm")
    parser.add_argument("--faults", type=int, default=FAULTS, help="600 for the large storm")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--every", type=float, default=4.0, help="seconds between faults, about")
    parser.add_argument("--epochs", type=int, default=180)
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    chosen = parser.parse_args()
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        storm = Storm(chosen, folder, stack)
        try:
            storm.submit()
            storm.rage()
            storm.wait_for_the_end()
        finally:
            storm.stop()
        sys.exit(storm.report(time.monotonic() - began))


class Storm:
    """The services, the workers, and what is done to them."""

    def __init__(
        self, chosen: argparse.Namespace, folder: Path, stack: contextlib.ExitStack
    ) -> None:
        self._chosen = chosen
        self._folder = folder
        self._stack = stack
        self._chance = random.Random(chosen.seed)
        self._mark = secrets.token_hex(8)
        self._redis = stack.enter_context(RedisServer(folder))
        self._postgres: Postgres | None = None
        if chosen.database == "postgresql":
            self._postgres = stack.enter_context(Postgres())
            address = self._postgres.new_database()
        else:
            address = f"sqlite:///{folder / 'trainyard.db'}"
        self._settings = Settings(
            home=folder / "home",
            database_url=address,
            redis_url=self._redis.url,
            slots=1,
            lease_seconds=LEASE_S,
            grace_seconds=5.0,
            hang_seconds=HANG_S,
        )
        download.ensure("digits", self._settings.data_folder, lambda _text: None)
        (self._settings.data_folder / hosts.FOLDER).mkdir()
        engine.upgrade(address)
        if self._postgres:
            _cover_clock(address)
        self._tables = stack.enter_context(Database(address))
        self._storage = Folder(self._settings.home / "artifacts")
        self._notifier = Notifier(self._redis.url)
        self._wakeups = Wakeups(self._redis.url)
        self._done: Counter[str] = Counter()
        self._unfit: list[Unfit] = []
        self._cancelled: set[int] = set()
        self._retried: set[int] = set()
        self._healing: list[threading.Thread] = []
        self._ending = threading.Event()
        self._longest_s = LONGEST_S * max(1.0, chosen.jobs / JOBS, chosen.faults / FAULTS)
        self._workers = [StormWorker(self, number) for number in range(chosen.workers)]
        threading.Thread(target=self._keep_workers, daemon=True).start()

    def submit(self) -> None:
        """Put the jobs into the queue."""
        for number in range(self._chosen.jobs):
            changes = SPECS[number % len(SPECS)] | {
                "dataset": "digits",
                "batch_size": 64,
                "epochs": self._chosen.epochs,
                "device": "cpu",
            }
            changes["model"] = changes["model"] | {"channels": [8], "batch_norm": True}
            lifecycle.submit(
                self._tables, LOCAL_OWNER, name=f"chaos {number}", spec=resolve("quick", changes)
            )
        self._notifier.notify("default")

    def _faults(self) -> list[Callable[[], bool]]:
        """What can be done to this stack; a fault that is a method more is a line more here."""
        faults = [
            self._kill_a_trainer,
            self._hang_a_trainer,
            self._kill_a_worker,
            self._kill_a_zygote,
            self._stop_a_worker_for_longer_than_its_lease,
            self._drain_a_worker,
            self._make_redis_forget,
            self._restart_redis,
            self._cut_a_worker_off_from_redis,
            self._take_the_database_away,
            self._notify_ten_times,
            self._hang_the_store_of_a_worker,
            self._fill_the_disk_of_a_worker,
            self._start_a_worker_without_its_data,
            self._damage_a_snapshot,
            self._pause_and_resume_a_run,
            self._delete_and_restore_a_run,
            self._cancel_a_run,
        ]
        if self._postgres:
            faults += [
                self._cut_a_worker_off_for_longer_than_its_lease,
                self._cut_a_worker_off_from_everything_for_longer_than_its_lease,
                self._stall_a_worker_for_longer_than_its_lease,
                self._lose_the_answer_to_a_commit,
                self._set_the_clock_of_the_database_forward,
            ]
        return faults

    def rage(self) -> None:
        """Do the faults, one after the other; those that last heal by themselves."""
        faults = self._faults()
        bag: list[Callable[[], bool]] = []
        deadline = time.monotonic() + self._longest_s
        while self._done.total() < self._chosen.faults and time.monotonic() < deadline:
            time.sleep(self._chance.uniform(0.5, 1.5) * self._chosen.every)
            if not bag:  # each kind once, in an order of its own, then again
                bag = faults.copy()
                self._chance.shuffle(bag)
            fault = bag.pop()
            name = fault.__name__.strip("_").replace("_", " ")
            try:
                happened = fault()
            except (DatabaseUnavailable, psutil.Error, ProcessLookupError) as error:
                print(f"  {name}: nothing to meet ({error})", flush=True)
                continue
            if happened:
                self._done[name] += 1
                print(f"{self._done.total():4} {name}", flush=True)

    def wait_for_the_end(self) -> None:
        """Wait until every job has ended; bring back what is deleted, paused, or out of budget."""
        deadline = time.monotonic() + self._longest_s
        for healing in self._healing:
            healing.join()
        while time.monotonic() < deadline:
            with contextlib.suppress(DatabaseUnavailable):
                open_ones = self._jobs(Job.state.not_in(("succeeded", "cancelled")))
                left = [job for job in open_ones if job.state not in FINAL]
                for job in open_ones:
                    if job.deleted_at is not None:
                        deletion.restore(self._tables, job.id, LOCAL_OWNER)
                    if job.state == "paused" or job.desired == "pause":
                        with contextlib.suppress(Conflict):
                            lifecycle.resume(self._tables, job.id, LOCAL_OWNER)
                    if job.state == "failed" and job.error_kind in SPENT:
                        self._retried.add(job.id)
                        lifecycle.retry(self._tables, job.id, LOCAL_OWNER)
                        left.append(job)
                if not left:
                    return
            time.sleep(0.5)

    def stop(self) -> None:
        """End the workers."""
        self._ending.set()
        for worker in self._workers:
            worker.end()

    def report(self, seconds: float) -> int:
        """Print what was done and what is wrong; 1 where something is."""
        references = References(self._settings.data_folder, threads=1)
        jobs = self._jobs()
        problems = checker.problems(self._tables, self._storage, references)
        problems += checker.left_behind(self._tables, self._storage)
        problems += self._faults_of_our_own()
        with self._tables.reading() as session:
            outcomes = Counter(map(_outcome, session.scalars(select(Attempt))))
            problems += self._ends_without_a_cause(outcomes)
            problems += self._blamed_without_a_cause(session)
            doubled = sum(
                len(
                    [
                        a
                        for a in session.scalars(select(Attempt).where(Attempt.job_id == job.id))
                        if a.outcome == "succeeded"
                    ]
                )
                > 1
                for job in jobs
            )
        right = {"succeeded", "cancelled"}
        lost = [job.id for job in jobs if job.state not in FINAL]
        wrong = [
            job.id
            for job in jobs
            if job.state in FINAL
            and job.state not in ({"succeeded"} if job.id not in self._cancelled else right)
        ]
        succeeded = [job for job in jobs if job.state == "succeeded"]
        equal = sum(references(job.spec).weights_sha256 == job.weights_sha256 for job in succeeded)
        left = [process for process in psutil.process_iter() if self._is_ours(process)]
        print(
            f"\n{datetime.now(UTC):%Y-%m-%d}, {usable_cores()} cores, {self._chosen.database}, "
            f"seed {self._chosen.seed}, {len(self._workers)} workers, {seconds:.0f} s"
        )
        print(f"\n{self._done.total()} faults")
        for name, count in sorted(self._done.items()):
            print(f"  {count:3}  {name}")
        print(f"\n{len(jobs)} jobs, {outcomes.total()} attempts")
        for outcome, count in sorted(outcomes.items(), key=str):
            print(f"  {count:3}  {outcome}")
        print(f"  retried by hand after their budget was spent: {len(self._retried)}")
        print(f"  workers that were unfit: {dict(Counter(each.then for each in self._unfit))}")
        print(f"\nlost {len(lost)}, doubled {doubled}, in a wrong state {len(wrong)}")
        print(f"weights equal to an undisturbed run's: {equal} of {len(succeeded)}")
        print(f"processes left over: {len(left)}")
        print(f"found by the checker: {len(problems)}")
        for problem in problems:
            print(f"  {problem}")
        bad = lost or wrong or doubled or problems or left or equal < len(succeeded)
        return 1 if bad or self._done.total() < self._chosen.faults else 0

    def _ends_without_a_cause(self, outcomes: Counter[Any]) -> list[str]:
        """Attempts that ended badly though nothing was done to them: each fault can cost one."""
        costs = {
            "crashed": self._times(*CRASHING),
            "lost": self._times(*LOSING) + len(self._unfit),
            "drained": self._times("drain a worker") + len(self._unfit),
            CUT_OFF: self._times(*FENCING) + len(self._workers) * self._times(FENCING_ALL),
        }
        found = []
        for outcome, causes in costs.items():
            if outcomes[outcome] > causes:
                found.append(f"{outcomes[outcome]} attempts {outcome}, with {causes} causes")
        if self._retried and self._times(*CRASHING) < endings.CRASH_BUDGET:
            found.append(f"jobs {sorted(self._retried)} spent a budget that nobody spent for them")
        return found

    def _blamed_without_a_cause(self, session: Session) -> list[str]:
        """Faults of workers that were fit from the beginning of the attempt to its end."""
        return [
            f"job {attempt.job_id}: {name} was not unfit at its attempt {attempt.number}"
            for attempt, name in session.execute(FAULTS_OF_WORKERS)
            if not any(each.explains(attempt, name) for each in self._unfit)
        ]

    def _times(self, *faults: str) -> int:
        return sum(self._done[fault] for fault in faults)

    def _faults_of_our_own(self) -> list[str]:
        return [
            f"worker-{number} said: {words}"
            for number in range(len(self._workers))
            for words in FAULTS_OF_OUR_OWN
            if words in (self._folder / f"worker-{number}.log").read_text()
        ]

    # faults: each says whether it met something

    def _kill_a_trainer(self) -> bool:
        trainers = [trainer for worker in self._workers for trainer in worker.trainers()]
        if trainers:
            self._chance.choice(trainers).kill()
        return bool(trainers)

    def _hang_a_trainer(self) -> bool:
        trainers = [trainer for worker in self._workers for trainer in worker.trainers()]
        if trainers:
            trainer = self._chance.choice(trainers)
            trainer.suspend()
            # or for so long that it is found
            seconds = self._chance.choice((self._chance.uniform(0.5, 2) * LEASE_S, 2 * HANG_S))
            self._heal_after(seconds, trainer.resume)
        return bool(trainers)

    def _kill_a_worker(self) -> bool:
        return self._any_worker().kill()

    def _kill_a_zygote(self) -> bool:
        zygote = self._any_worker().zygote()
        if zygote:
            zygote.kill()
        return zygote is not None

    def _stop_a_worker_for_longer_than_its_lease(self) -> bool:
        process = self._any_worker().process
        if process is None:
            return False
        process.send_signal(signal.SIGSTOP)
        self._heal_after(1.5 * LEASE_S, lambda: process.send_signal(signal.SIGCONT))
        return True

    def _drain_a_worker(self) -> bool:
        return self._any_worker().drain()

    def _make_redis_forget(self) -> bool:
        self._redis.flush()
        return True

    def _restart_redis(self) -> bool:
        self._redis.stop()
        time.sleep(self._chance.uniform(0, 2))
        self._redis.start()
        return True

    def _cut_a_worker_off_from_redis(self) -> bool:
        broker = self._any_worker().broker
        broker.cut()
        self._heal_after(self._chance.uniform(0.5, 2) * LEASE_S, broker.heal)
        return True

    def _take_the_database_away(self) -> bool:
        seconds = self._chance.uniform(0, 1.5 * LEASE_S)
        if self._postgres:
            self._postgres.stop()
            time.sleep(seconds)
            self._postgres.start()
        else:
            path = make_url(self._settings.database_address).database
            with contextlib.closing(sqlite3.connect(str(path), timeout=60)) as other:
                other.execute("BEGIN EXCLUSIVE")
                time.sleep(seconds)
                other.rollback()
        return True

    def _cut_a_worker_off_for_longer_than_its_lease(self) -> bool:
        proxy = self._any_worker().proxy
        assert proxy is not None
        proxy.cut()
        self._heal_after(1.5 * LEASE_S, proxy.heal)
        return True

    def _cut_a_worker_off_from_everything_for_longer_than_its_lease(self) -> bool:
        worker = self._any_worker()
        assert worker.proxy is not None
        for proxy in (worker.proxy, worker.broker):
            proxy.cut()
            self._heal_after(1.5 * LEASE_S, proxy.heal)
        return True

    def _stall_a_worker_for_longer_than_its_lease(self) -> bool:
        proxy = self._any_worker().proxy
        assert proxy is not None
        proxy.stall()
        self._heal_after(1.5 * LEASE_S, proxy.heal)
        return True

    def _lose_the_answer_to_a_commit(self) -> bool:
        proxy = self._any_worker().proxy
        assert proxy is not None
        return proxy.cut_at_commit_after("UPDATE jobs").wait(10)

    def _notify_ten_times(self) -> bool:
        return all(self._notifier.notify("default") for _ in range(10))

    def _hang_the_store_of_a_worker(self) -> bool:
        # whatever the worker and its trainers flush to the disk waits
        fault = self._any_worker().disk / "hangs"
        fault.touch()
        self._heal_after(self._chance.uniform(0.5, 2) * LEASE_S, fault.unlink)
        return True

    def _fill_the_disk_of_a_worker(self) -> bool:
        # it shows at the end of a run: a snapshot that cannot be written is left out
        return self._make_unfit(StormWorker.fill_disk, StormWorker.clear_disk)

    def _start_a_worker_without_its_data(self) -> bool:
        # the spares of one that runs have them
        return self._make_unfit(StormWorker.lose_data, StormWorker.find_data)

    def _make_unfit(
        self, harm: Callable[[StormWorker], object], repair: Callable[[StormWorker], object]
    ) -> bool:
        """Make a worker unfit until a run has met it; one alone, since another is to be fit."""
        if any(each.until is None for each in self._unfit):
            return False
        worker = self._any_worker()
        unfit = Unfit(worker.name, self._moment(), self._chance.choice(REPAIRED))
        longer_s = self._chance.uniform(0, 3)
        self._unfit.append(unfit)
        harm(worker)

        def heal() -> None:
            deadline = time.monotonic() + BROKEN_S
            while time.monotonic() < deadline and not self._insist_on(lambda: self._is_met(unfit)):
                time.sleep(0.2)
            time.sleep(longer_s)
            repair(worker)
            unfit.until = self._insist_on(self._moment)
            if unfit.then == "resumed by a person":
                self._insist_on(lambda: self._resume(worker))
            elif unfit.then == "started again":
                worker.drain()

        self._heal_after(0, heal)
        return True

    def _is_met(self, unfit: Unfit) -> bool:
        with self._tables.reading() as session:
            return any(unfit.explains(*each) for each in session.execute(FAULTS_OF_WORKERS))

    def _resume(self, worker: StormWorker) -> None:
        with self._tables.reading() as session:
            of_name = select(Worker.id).where(Worker.name == worker.name)
            worker_id = session.scalars(of_name.order_by(Worker.id.desc())).first()
        if worker_id is not None:
            for queue in rests.resume(self._tables, worker_id, LOCAL_OWNER):
                self._notifier.notify(queue)

    def _moment(self) -> datetime:
        """Now, by the clock of the database, as it was set."""
        with self._tables.reading() as session:
            moment: datetime = session.scalars(select(now())).one()
            return moment

    def _insist_on(self, ask: Callable[[], T]) -> T:
        """Ask the database until it is there."""
        while True:
            try:
                return ask()
            except DatabaseUnavailable:
                time.sleep(0.1)

    def _damage_a_snapshot(self) -> bool:
        running = self._jobs(lanes.IS_RUNNING)
        self._chance.shuffle(running)
        for job in running:
            with self._tables.reading() as session:
                saved = snapshots.newest_first(session, job.id)
            for snapshot in saved[:1]:
                file = self._storage.folder / snapshot.blob.sha256[:2] / snapshot.blob.sha256
                with contextlib.suppress(FileNotFoundError):
                    file.write_bytes(file.read_bytes()[:-1])
                    return True
        return False

    def _pause_and_resume_a_run(self) -> bool:
        running = self._jobs(lanes.IS_RUNNING)
        if not running:
            return False
        job = self._chance.choice(running)
        with contextlib.suppress(Conflict):
            lifecycle.pause(self._tables, job.id, LOCAL_OWNER)
            self._wakeups.announce("asked", job.id)

            def resume() -> None:
                with contextlib.suppress(Conflict, DatabaseUnavailable):
                    lifecycle.resume(self._tables, job.id, LOCAL_OWNER)
                    self._notifier.notify("default")

            self._heal_after(self._chance.uniform(0, 3), resume)
            return True
        return False

    def _delete_and_restore_a_run(self) -> bool:
        alive = self._jobs(Job.state.in_(("queued", "running")), Job.deleted_at.is_(None))
        if not alive:
            return False
        job = self._chance.choice(alive)
        with contextlib.suppress(Conflict):  # one that runs cannot be deleted
            deletion.delete(self._tables, job.id, LOCAL_OWNER, UNDO_S)

            def restore() -> None:
                with contextlib.suppress(DatabaseUnavailable):
                    deletion.restore(self._tables, job.id, LOCAL_OWNER)
                    self._notifier.notify("default")

            self._heal_after(self._chance.uniform(0, 3), restore)
        return True

    def _set_the_clock_of_the_database_forward(self) -> bool:
        # back, the order of its times would say nothing any more
        with self._tables.writing() as session:
            ahead = {"seconds": 3 * LEASE_S}
            step = "UPDATE storm.clock SET ahead = ahead + make_interval(secs => :seconds)"
            session.execute(text(step), ahead)
        return True

    def _cancel_a_run(self) -> bool:
        # a few only: a cancelled run compares nothing
        alive = self._jobs(Job.state.in_(("queued", "running")))
        if not alive:
            return False
        job = self._chance.choice(alive)
        self._cancelled.add(job.id)
        with contextlib.suppress(NotFound, Conflict):
            lifecycle.cancel(self._tables, job.id, LOCAL_OWNER)
            self._wakeups.announce("asked", job.id)
        return True

    def _heal_after(self, seconds: float, heal: Callable[[], object]) -> None:
        def wait_and_heal() -> None:
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError, FileNotFoundError, psutil.Error):
                heal()

        thread = threading.Thread(target=wait_and_heal)
        thread.start()
        self._healing.append(thread)

    def _any_worker(self) -> StormWorker:
        return self._chance.choice(self._workers)

    def _keep_workers(self) -> None:
        """Start workers that have ended again."""
        while not self._ending.wait(0.5):
            for worker in self._workers:
                worker.revive()

    def _jobs(self, *which: ColumnElement[bool]) -> list[Job]:
        with self._tables.reading() as session:
            return list(session.scalars(select(Job).where(*which).order_by(Job.id)))

    def _is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return (
                process.environ().get(MARK) == self._mark
                and process.status() != psutil.STATUS_ZOMBIE
            )
        return False

    def start_worker(self, number: int, worker: StormWorker) -> subprocess.Popen[bytes]:
        """Start a worker on a core of its own: one thread, as the reference has."""
        address = self._settings.database_address
        if worker.proxy is not None and self._postgres is not None:
            address = address.replace(f":{self._postgres.port}/", f":{worker.proxy.port}/")
        redis_url = self._redis.url.replace(f":{self._redis.port}/", f":{worker.broker.port}/")
        settings = self._settings.model_copy(
            update={
                "worker_name": worker.name,
                "data": worker.data,
                "database_url": address,
                "redis_url": redis_url,
            }
        )
        path = os.pathsep.join(filter(None, (str(DISK), os.environ.get("PYTHONPATH"))))
        own = {MARK: self._mark, "PYTHONPATH": path, "DISK_FAULTS": str(worker.disk)}
        cores = sorted(os.sched_getaffinity(0))
        core = cores[number % len(cores)]
        program = (
            f"import os, runpy; os.sched_setaffinity(0, {{{core}}}); "
            "runpy.run_module('worker', run_name='__main__')"
        )
        with (self._folder / f"worker-{number}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", program],
                env=os.environ | settings.environment() | own,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def proxy(self) -> Proxy | None:
        """A proxy before PostgreSQL."""
        return self._stack.enter_context(Proxy(self._postgres.port)) if self._postgres else None

    def broker(self) -> Proxy:
        """A proxy before Redis."""
        return self._stack.enter_context(Proxy(self._redis.port))

    def disk(self, number: int) -> Path:
        """A folder whose files say what the disk of a worker suffers from."""
        folder = self._folder / f"disk-{number}"
        folder.mkdir()
        return folder

    def data(self, number: int) -> Path:
        """The data folder of a worker. The locks of all are those of one host."""
        whole, folder = self._settings.data_folder, self._folder / f"data-{number}"
        shutil.copytree(whole / DATASETS["digits"].folder, folder / DATASETS["digits"].folder)
        (folder / hosts.FOLDER).symlink_to(whole / hosts.FOLDER)
        return folder


if __name__ == "__main__":
    main()
