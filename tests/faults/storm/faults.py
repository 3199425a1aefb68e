"""What a storm does to its stack: each fault says whether it met something, its name what it is."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable

import psutil
from sqlalchemy import make_url, select, text

from core.database.models import Attempt, Job, Worker
from core.errors import Conflict, DatabaseUnavailable, NotFound
from core.jobs import deletion, lanes, lifecycle, rests, snapshots
from core.jobs.actors import LOCAL_OWNER
from tests.faults.storm.stack import HANG_S, LEASE_S, Stack
from tests.faults.storm.worker import StormWorker, Unfit

UNDO_S = 3600.0

BROKEN_S = 20.0
"""Seconds after which a worker is repaired that no run has met; shorter than its first rest."""
REPAIRED = ("resumed by a person", "started again", "left to its rest")
"""What becomes of a worker whose fault is repaired."""

FAULTS_OF_WORKERS = (
    select(Attempt, Worker.name)
    .join(Worker, Worker.id == Attempt.worker_id)
    .where(Attempt.outcome == "worker_fault")
)


class Faults:
    """The faults of one storm, drawn by its chance; those that last heal by themselves."""

    def __init__(self, stack: Stack, chance: random.Random) -> None:
        self._stack = stack
        self._chance = chance
        self._healing: list[threading.Thread] = []
        self.unfit: list[Unfit] = []
        """The times in which workers were unfit."""
        self.cancelled: set[int] = set()
        """The runs that were cancelled."""

    def all(self) -> list[Callable[[], bool]]:
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
        if self._stack.postgres:
            faults += [
                self._cut_a_worker_off_for_longer_than_its_lease,
                self._cut_a_worker_off_from_everything_for_longer_than_its_lease,
                self._stall_a_worker_for_longer_than_its_lease,
                self._lose_the_answer_to_a_commit,
                self._set_the_clock_of_the_database_forward,
            ]
        return faults

    def wait_until_healed(self) -> None:
        """Wait for what heals by itself."""
        for healing in self._healing:
            healing.join()

    def _kill_a_trainer(self) -> bool:
        trainers = [trainer for worker in self._stack.workers for trainer in worker.trainers()]
        if trainers:
            self._chance.choice(trainers).kill()
        return bool(trainers)

    def _hang_a_trainer(self) -> bool:
        trainers = [trainer for worker in self._stack.workers for trainer in worker.trainers()]
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
        self._stack.redis.flush()
        return True

    def _restart_redis(self) -> bool:
        self._stack.redis.stop()
        time.sleep(self._chance.uniform(0, 2))
        self._stack.redis.start()
        return True

    def _cut_a_worker_off_from_redis(self) -> bool:
        broker = self._any_worker().broker
        broker.cut()
        self._heal_after(self._chance.uniform(0.5, 2) * LEASE_S, broker.heal)
        return True

    def _take_the_database_away(self) -> bool:
        seconds = self._chance.uniform(0, 1.5 * LEASE_S)
        if self._stack.postgres:
            self._stack.postgres.stop()
            time.sleep(seconds)
            self._stack.postgres.start()
        else:
            path = make_url(self._stack.settings.database_address).database
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
        return all(self._stack.notifier.notify("default") for _ in range(10))

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
        if any(each.until is None for each in self.unfit):
            return False
        worker = self._any_worker()
        unfit = Unfit(worker.name, self._stack.moment(), self._chance.choice(REPAIRED))
        longer_s = self._chance.uniform(0, 3)
        self.unfit.append(unfit)
        harm(worker)

        def heal() -> None:
            deadline = time.monotonic() + BROKEN_S
            while time.monotonic() < deadline and not self._stack.insist_on(
                lambda: self._is_met(unfit)
            ):
                time.sleep(0.2)
            time.sleep(longer_s)
            repair(worker)
            unfit.until = self._stack.insist_on(self._stack.moment)
            if unfit.then == "resumed by a person":
                self._stack.insist_on(lambda: self._resume(worker))
            elif unfit.then == "started again":
                worker.drain()

        self._heal_after(0, heal)
        return True

    def _is_met(self, unfit: Unfit) -> bool:
        with self._stack.tables.reading() as session:
            return any(unfit.explains(*each) for each in session.execute(FAULTS_OF_WORKERS))

    def _resume(self, worker: StormWorker) -> None:
        with self._stack.tables.reading() as session:
            of_name = select(Worker.id).where(Worker.name == worker.name)
            worker_id = session.scalars(of_name.order_by(Worker.id.desc())).first()
        if worker_id is not None:
            for queue in rests.resume(self._stack.tables, worker_id, LOCAL_OWNER):
                self._stack.notifier.notify(queue)

    def _damage_a_snapshot(self) -> bool:
        running = self._stack.jobs(lanes.IS_RUNNING)
        self._chance.shuffle(running)
        for job in running:
            with self._stack.tables.reading() as session:
                saved = snapshots.newest_first(session, job.id)
            for snapshot in saved[:1]:
                file = self._stack.storage.folder / snapshot.blob.sha256[:2] / snapshot.blob.sha256
                with contextlib.suppress(FileNotFoundError):
                    file.write_bytes(file.read_bytes()[:-1])
                    return True
        return False

    def _pause_and_resume_a_run(self) -> bool:
        running = self._stack.jobs(lanes.IS_RUNNING)
        if not running:
            return False
        job = self._chance.choice(running)
        with contextlib.suppress(Conflict):
            lifecycle.pause(self._stack.tables, job.id, LOCAL_OWNER)
            self._stack.wakeups.announce("asked", job.id)

            def resume() -> None:
                with contextlib.suppress(Conflict, DatabaseUnavailable):
                    lifecycle.resume(self._stack.tables, job.id, LOCAL_OWNER)
                    self._stack.notifier.notify("default")

            self._heal_after(self._chance.uniform(0, 3), resume)
            return True
        return False

    def _delete_and_restore_a_run(self) -> bool:
        alive = self._stack.jobs(Job.state.in_(("queued", "running")), Job.deleted_at.is_(None))
        if not alive:
            return False
        job = self._chance.choice(alive)
        with contextlib.suppress(Conflict):  # one that runs cannot be deleted
            deletion.delete(self._stack.tables, job.id, LOCAL_OWNER, UNDO_S)

            def restore() -> None:
                with contextlib.suppress(DatabaseUnavailable):
                    deletion.restore(self._stack.tables, job.id, LOCAL_OWNER)
                    self._stack.notifier.notify("default")

            self._heal_after(self._chance.uniform(0, 3), restore)
        return True

    def _set_the_clock_of_the_database_forward(self) -> bool:
        # back, the order of its times would say nothing any more
        with self._stack.tables.writing() as session:
            ahead = {"seconds": 3 * LEASE_S}
            step = "UPDATE storm.clock SET ahead = ahead + make_interval(secs => :seconds)"
            session.execute(text(step), ahead)
        return True

    def _cancel_a_run(self) -> bool:
        # a few only: a cancelled run compares nothing
        alive = self._stack.jobs(Job.state.in_(("queued", "running")))
        if not alive:
            return False
        job = self._chance.choice(alive)
        self.cancelled.add(job.id)
        with contextlib.suppress(NotFound, Conflict):
            lifecycle.cancel(self._stack.tables, job.id, LOCAL_OWNER)
            self._stack.wakeups.announce("asked", job.id)
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
        return self._chance.choice(self._stack.workers)
