"""Runs one claimed job: starts its trainer, relays its reports, keeps the lease, ends it.

One thread a job. The job's end is written only after its process is gone. When the lease turns
out to be lost, the trainer is killed and nothing more is written.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Literal, TypeVar

from core import queue
from core.artifacts import Artifacts, Blob
from core.errors import DatabaseUnavailable, LeaseLost, Unavailable
from core.journal import Journal
from core.lease import Lease
from core.queue import Failure, Publication
from core.reports import Failed, File, Finished, Line, Stopped
from core.spec import TrainingSpec
from core.states import Desired, Outcome
from worker.devices import Slot
from worker.trainer import Trainer, make_scratch
from worker.training.order import Order
from worker.yard import Yard

WRITE_EVERY_S = 0.25
RENEWALS_IN_A_LEASE = 4
RETRY_AFTER_S = 1.0
EXIT_TIMEOUT_S = 5.0
STORE_TRIES = 6

# one more try may find the memory free or the process spared
WORTH_A_RETRY = {"out_of_memory"}

Ending = Finished | Failed | Stopped
Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Supervisor:
    """The supervision of one attempt."""

    def __init__(self, yard: Yard, lease: Lease, slot: Slot) -> None:
        self._yard = yard
        self._lease = lease
        self._slot = slot
        self._journal = Journal(yard.database, lease, yard.settings.lease_seconds)
        self._renew_every = yard.settings.lease_seconds / RENEWALS_IN_A_LEASE
        # the lease is not renewed while a trainer exits
        self._exit_timeout = min(EXIT_TIMEOUT_S, yard.settings.lease_seconds / 3)
        self._write_due = 0.0
        self._renew_due = 0.0
        self._desired: Desired = "run"
        self._stopping_for: Literal["cancel", "drain"] | None = None
        self._kill_due: float | None = None

    def run(self) -> None:
        """Run the job to its end, or until it is lost, cancelled or handed back."""
        try:
            with self._alarm() as wake, self._start() as trainer:
                ending = self._follow(trainer, wake)
                if isinstance(ending, Finished):
                    self._publish(ending)
                else:
                    trainer.kill()
                    self._end(ending)
        except LeaseLost as error:
            log.warning("%s: its trainer was killed", error)
        except Exception:
            log.exception("job %s: the supervisor failed", self._lease.job_id)
            self._give_up()
        finally:
            self._yard.wakeups.announce("changed", self._lease.job_id)

    @contextlib.contextmanager
    def _alarm(self) -> Iterator[int]:
        """A descriptor that becomes readable when something is asked of the job."""
        readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._yard.alarms.set(self._lease.job_id, writable)
        try:
            yield readable
        finally:
            self._yard.alarms.clear(self._lease.job_id)
            os.close(readable)
            os.close(writable)

    def _start(self) -> Trainer:
        spec = TrainingSpec.model_validate(self._lease.spec)
        order = Order(
            spec=spec,
            data=self._yard.settings.data_folder,
            scratch=make_scratch(self._lease.job_id),
            device=self._slot.device_for(spec.device),
            threads=self._slot.threads,
        )
        where = f"worker {self._yard.settings.worker_name}, {self._slot.device.name}"
        self._journal.record(Line(text=f"Attempt {self._lease.attempt} starts on {where}."))
        return Trainer.start(order, self._slot.environment())

    def _follow(self, trainer: Trainer, wake: int) -> Ending:
        """Relay reports until the trainer says how it ended, or its process is gone."""
        while True:
            reports = trainer.read(self._patience(), wake)
            self._silence(wake)
            if reports is None:
                return self._explain_end(trainer)
            for report in reports:
                if isinstance(report, Finished | Failed | Stopped):
                    trainer.wait(self._exit_timeout)
                    return report
                self._journal.record(report)
            self._keep_up(trainer)

    def _patience(self) -> float:
        """Seconds until something is due even if the trainer says nothing."""
        due = [self._renew_due]
        if self._journal.has_news:
            due.append(self._write_due)
        if self._kill_due is not None:
            due.append(self._kill_due)
        return min(due) - time.monotonic()

    def _keep_up(self, trainer: Trainer) -> None:
        """Write, renew, stop, kill: whatever is due."""
        now = time.monotonic()
        if now >= self._renew_due or (self._journal.has_news and now >= self._write_due):
            self._write()
        if self._yard.draining.is_set():
            self._stop(trainer, "drain")
        if self._desired == "cancel":
            self._stop(trainer, "cancel")
        if self._kill_due is not None and now >= self._kill_due:
            trainer.kill()

    def _write(self) -> None:
        """Write what came and renew the lease; keep both for later while the database is away."""
        had_news = self._journal.has_news
        try:
            self._desired = self._journal.flush()
        except DatabaseUnavailable as error:
            log.warning("job %s goes on, unwritten: %s", self._lease.job_id, error)
            self._write_due = self._renew_due = time.monotonic() + RETRY_AFTER_S
            return
        now = time.monotonic()
        self._write_due, self._renew_due = now + WRITE_EVERY_S, now + self._renew_every
        if had_news:
            self._yard.wakeups.announce("changed", self._lease.job_id)

    def _stop(self, trainer: Trainer, reason: Literal["cancel", "drain"]) -> None:
        """Ask the trainer to stop, once; its time to do so runs from the first asking."""
        if self._stopping_for is None:
            trainer.ask_to_stop()
            self._kill_due = time.monotonic() + self._yard.settings.grace_seconds
        if self._stopping_for != "cancel":
            self._stopping_for = reason

    def _silence(self, wake: int) -> None:
        """Note that we were woken: look at what is asked for now, not when it is due."""
        with contextlib.suppress(BlockingIOError):
            if os.read(wake, 1024):
                self._renew_due = 0.0

    def _explain_end(self, trainer: Trainer) -> Failed | Stopped:
        """Say why a trainer ended without a word."""
        status = trainer.wait(self._exit_timeout)
        if self._stopping_for is not None:
            return Stopped()
        how = (
            f"was ended by {signal.Signals(-status).name}"
            if status < 0
            else f"ended with status {status}"
        )
        return Failed(
            error="crash",
            message=f"The training process {how}.",
            traceback=trainer.output_tail() or None,
        )

    def _publish(self, ending: Finished) -> None:
        """Put the finished files into the file store, then end the job."""
        try:
            publications = [self._store(file, ending.epoch) for file in ending.files]
        except Unavailable as error:
            self._end(Failed(error="artifacts_unavailable", message=str(error)))
            return
        self._finish_writing()
        self._insist(
            lambda: queue.succeed(
                self._yard.database, self._lease, ending.weights_sha256, publications
            )
        )
        log.info("job %s succeeded", self._lease.job_id)

    def _store(self, file: File, epoch: int) -> Publication:
        blob = self._while_renewing(lambda: _put_patiently(self._yard.artifacts, Path(file.path)))
        return Publication(blob, epoch, file.format, file.filename)

    def _end(self, ending: Failed | Stopped) -> None:
        """End the attempt; its process is gone."""
        outcome, failure = self._judge(ending)
        text = failure.message if failure else f"The run was {_PAST[outcome]}."
        self._journal.record(Line(level="error" if failure else "info", text=text))
        self._finish_writing()
        state = self._insist(lambda: queue.end(self._yard.database, self._lease, outcome, failure))
        log.info("job %s: %s, now %s", self._lease.job_id, outcome, state)

    def _judge(self, ending: Failed | Stopped) -> tuple[Outcome, Failure | None]:
        if isinstance(ending, Stopped):
            return ("drained" if self._stopping_for == "drain" else "cancelled"), None
        failure = Failure(ending.error, ending.message, ending.traceback)
        crashed = ending.error == "crash" or ending.error in WORTH_A_RETRY
        return ("crashed" if crashed else "failed"), failure

    def _finish_writing(self) -> None:
        self._insist(self._journal.flush)

    def _insist(self, write: Callable[[], Result]) -> Result:
        """Write at the end of a job, however long the database is away; the lease decides."""
        while True:
            try:
                return write()
            except DatabaseUnavailable as error:
                log.warning("job %s waits for the database: %s", self._lease.job_id, error)
                time.sleep(RETRY_AFTER_S)

    def _while_renewing(self, work: Callable[[], Result]) -> Result:
        """Do slow work in another thread, and keep the lease meanwhile."""
        with ThreadPoolExecutor(1, f"job-{self._lease.job_id}-store") as pool:
            future = pool.submit(work)
            while not wait([future], timeout=min(1.0, self._renew_every)).done:
                if time.monotonic() >= self._renew_due:
                    self._write()
            return future.result()

    def _give_up(self) -> None:
        """After a fault of our own: give the job another try rather than leave it hanging."""
        with contextlib.suppress(DatabaseUnavailable, LeaseLost):
            queue.end(
                self._yard.database,
                self._lease,
                "crashed",
                Failure("supervisor", "The worker failed to supervise the run; its log says why."),
            )


_PAST: dict[Outcome, str] = {
    "cancelled": "cancelled",
    "drained": "handed back to the queue, because its worker is stopping",
}


def _put_patiently(artifacts: Artifacts, path: Path) -> Blob:
    """Put a file into the store, with patience for a store that is away."""
    for remaining in reversed(range(STORE_TRIES)):
        try:
            return artifacts.put(path)
        except Unavailable as error:
            if not remaining:
                raise
            log.warning("%s", error)
            time.sleep(RETRY_AFTER_S * (STORE_TRIES - remaining))
    raise AssertionError("unreachable: the last try returns or raises")
