"""Runs one claimed job: gives a trainer its order, relays its reports, keeps the lease, ends it.

One thread a job. The job's end is written only after its process is gone. When the lease turns
out to be lost, the trainer is killed and nothing more is written. The trainers of a run on several
devices are handled as one (`worker/processes/group.py`).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Literal, TypeVar

from core.errors import DatabaseUnavailable, LeaseLost, Unavailable
from core.jobs import endings
from core.jobs.endings import Failure, Publication
from core.jobs.lease import Lease
from core.jobs.recorder import Recorder
from core.messages import message, plain
from core.protocol.orders import Order
from core.protocol.reports import Failed, File, Finished, Line, Saved, Stopped
from core.spec.spec import TrainingSpec
from core.states import Desired, Outcome
from worker.context import Alarm, Yard
from worker.devices import Slot
from worker.processes.group import Group
from worker.processes.trainer import Trainer
from worker.supervisor import snapshot_transfer
from worker.supervisor.snapshot_transfer import SnapshotTransfer

STATEMENTS_PER_S = 5.0
"""What a running job may cost the database: after each flush it is left alone for so long. What
comes after a pause is written at once."""
RENEWALS_IN_A_LEASE = 4
RETRY_AFTER_S = 1.0
FIRST_WRITE_AFTER_S = 0.25
EXIT_TIMEOUT_S = 5.0
STORE_PATIENCE_S = 120.0
LONGEST_STORE_PAUSE_S = 10.0

STORE_AWAY = "storage_unavailable"
# one more try may find the memory free or the process spared
WORTH_A_RETRY = {"out_of_memory"}

Ending = Finished | Failed | Stopped
Reason = Literal["cancel", "pause", "drain"]
Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Supervisor:
    """The supervision of one attempt."""

    def __init__(
        self, yard: Yard, lease: Lease, slots: Sequence[Slot], trainer: Trainer | Group
    ) -> None:
        self._yard = yard
        self._lease = lease
        self._slots = slots
        self._trainer = trainer
        self._recorder = Recorder(yard.database, lease, yard.settings.lease_seconds)
        self._renew_every = yard.settings.lease_seconds / RENEWALS_IN_A_LEASE
        # the lease is not renewed while a trainer exits
        self._exit_timeout = min(EXIT_TIMEOUT_S, yard.settings.lease_seconds / 3)
        self._write_due = 0.0
        self._renew_due = time.monotonic() + self._renew_every
        self._desired: Desired = "run"
        self._stopping_for: Reason | None = None
        self._kill_due: float | None = None

    def run(self) -> None:
        """Run the job to its end, or until it is lost, cancelled, paused or handed back."""
        yard = self._yard
        try:
            with (
                yard.alarms.of(self._lease.job_id) as alarm,
                SnapshotTransfer(yard.storage, self._recorder, alarm.nudge) as points,
                self._trainer,  # so that it is the first to end, whatever else hangs
            ):
                ending = self._start() or self._follow(alarm, points)
                self._bury()
                while not points.wait(1.0):
                    self._write_if_due()
                if isinstance(ending, Finished):
                    self._publish(ending)
                else:
                    self._end(ending)
        except LeaseLost as error:
            log.warning("%s: its trainer was killed", error)
        except Exception:
            log.exception("job %s: the supervisor failed", self._lease.job_id)
            self._give_up()
        finally:
            yard.wakeups.announce("changed", self._lease.job_id)

    def _start(self) -> Failed | Stopped | None:
        """Give the trainer its order, with the newest snapshot that there is."""
        yard, spec = self._yard, TrainingSpec.model_validate(self._lease.spec)
        resume_from: Path | None = None
        if self._lease.attempt > 1:
            try:
                resume_from, lines = self._while_renewing(
                    lambda: self._patiently(
                        lambda: snapshot_transfer.fetch(
                            yard.database, yard.storage, self._lease, self._trainer.scratch
                        )
                    )
                )
            except Unavailable as error:
                return self._given_up(error)
            except OSError as error:
                return Failed(error="storage", message=_no_room(error))
            for line in lines:
                self._recorder.record(line)
        self._trainer.give(
            Order(
                spec=spec,
                data=yard.settings.data_folder,
                scratch=self._trainer.scratch,
                device=self._slots[0].device_for(self._lease.device),
                threads=self._slots[0].threads,
                resume_from=resume_from,
            )
        )
        where = ", ".join(
            [f"worker {yard.settings.worker_name}", *(slot.device.name for slot in self._slots)]
        )
        self._recorder.record(Line(text=f"Attempt {self._lease.attempt} starts on {where}."))
        # the first reports come soon, and travel with this line
        self._write_due = time.monotonic() + FIRST_WRITE_AFTER_S
        return None

    def _follow(self, alarm: Alarm, points: SnapshotTransfer) -> Ending:
        """Relay reports until the trainer says how it ended, or its process is gone."""
        trainer = self._trainer
        while True:
            reports = trainer.read(self._patience(), alarm.descriptor)
            if alarm.silence():
                self._renew_due = 0.0  # see what is asked for now, not when it is due
            if reports is None:
                return self._explain_end()
            for report in reports:
                if isinstance(report, Finished | Failed | Stopped):
                    trainer.wait(self._exit_timeout)
                    return report
                if isinstance(report, Saved):
                    points.take(report)
                else:
                    self._recorder.record(report)
            points.settle()
            self._keep_up()

    def _patience(self) -> float:
        """Seconds until something is due even if the trainer says nothing."""
        due = [self._renew_due]
        if self._recorder.has_news:
            due.append(self._write_due)
        if self._kill_due is not None:
            due.append(self._kill_due)
        return min(due) - time.monotonic()

    def _keep_up(self) -> None:
        """Write, renew, stop, kill: whatever is due."""
        self._write_if_due()
        self._heed_wishes()
        if self._kill_due is not None and time.monotonic() >= self._kill_due:
            if self._trainer.is_alive:
                grace = self._yard.settings.grace_seconds
                text = f"The training process did not stop within {grace:g} s and was killed."
                self._recorder.record(Line(level="warning", text=text))
            self._trainer.kill(0.0)
            self._kill_due = None

    def _write_if_due(self) -> None:
        now = time.monotonic()
        if now >= self._renew_due or (self._recorder.has_news and now >= self._write_due):
            self._write()

    def _write(self) -> None:
        """Write what came and renew the lease; keep both for later while the database is away."""
        had_news = self._recorder.has_news
        try:
            self._desired = self._recorder.flush()
        except DatabaseUnavailable as error:
            log.warning("job %s goes on, unwritten: %s", self._lease.job_id, error)
            self._write_due = self._renew_due = time.monotonic() + RETRY_AFTER_S
            return
        now = time.monotonic()
        self._write_due = now + self._recorder.flush_cost / STATEMENTS_PER_S
        self._renew_due = now + self._renew_every
        if had_news:
            self._yard.wakeups.announce("changed", self._lease.job_id)

    def _heed_wishes(self) -> None:
        if self._yard.draining.is_set():
            self._stop("drain")
        if self._desired in ("pause", "cancel"):
            self._stop(self._desired)

    def _stop(self, reason: Reason) -> None:
        """Ask the trainer to stop, once; its time to do so runs from the first asking.

        What is paused or drained is saved first; a cancel that comes later outweighs that.
        """
        first = self._stopping_for is None
        if first or (reason == "cancel" and self._stopping_for != "cancel"):
            self._trainer.ask_to_stop("stop" if reason == "cancel" else "save")
            self._stopping_for = reason
        if first:
            self._kill_due = time.monotonic() + self._yard.settings.grace_seconds

    def _explain_end(self) -> Failed | Stopped:
        """Say why a trainer ended without a word."""
        if not self._trainer.wait(self._exit_timeout):
            self._bury()
        if self._stopping_for is not None:
            return Stopped()
        return Failed(
            error="crash",
            message=self._trainer.explain_end(),
            traceback=self._trainer.output_tail() or None,
        )

    def _bury(self) -> None:
        """Return when no process of the job is left, however long the kernel takes."""
        while not self._trainer.kill(1.0):
            self._write_if_due()

    def _publish(self, ending: Finished) -> None:
        """Put the finished files into the file store, then end the job."""
        try:
            publications = [self._store(file, ending.epoch) for file in ending.files]
        except Unavailable as error:
            self._end(self._given_up(error))
            return
        self._finish_writing()
        self._insist(
            lambda: endings.succeed(
                self._yard.database,
                self._lease,
                ending.weights_sha256,
                publications,
                plain(ending.reason) if ending.reason else None,
            )
        )
        log.info("job %s succeeded", self._lease.job_id)

    def _store(self, file: File, epoch: int) -> Publication:
        path, storage = Path(file.path), self._yard.storage
        blob = self._while_renewing(lambda: self._patiently(lambda: storage.put(path)))
        return Publication(blob, epoch, file.format, file.filename)

    def _given_up(self, error: Unavailable) -> Failed | Stopped:
        """What became of a run whose file store was away for too long, or until it was stopped."""
        if self._stopping_for is not None:
            return Stopped()
        return Failed(error=STORE_AWAY, message=str(error))

    def _patiently(self, work: Callable[[], Result]) -> Result:
        """Use the file store, with patience while it is away: a run of days may hang on it."""
        began, pause = time.monotonic(), RETRY_AFTER_S
        while True:
            try:
                return work()
            except Unavailable as error:
                waited = time.monotonic() - began
                # the database may take its time: without it the run could not end either
                is_store = not isinstance(error, DatabaseUnavailable)
                if self._stopping_for is not None or (is_store and waited > STORE_PATIENCE_S):
                    raise
                log.warning("job %s waits: %s", self._lease.job_id, error)
                if is_store and waited < RETRY_AFTER_S:
                    text = f"{error} Waiting for it, at most {STORE_PATIENCE_S:.0f} s."
                    self._recorder.record(Line(level="warning", text=text))
            time.sleep(pause)
            pause = min(LONGEST_STORE_PAUSE_S, pause * 2)

    def _end(self, ending: Failed | Stopped) -> None:
        """End the attempt; its process is gone."""
        outcome, failure = self._judge(ending)
        text = failure.reason.text if failure else f"The run was {_PAST[outcome]}."
        self._recorder.record(Line(level="error" if failure else "info", text=text))
        self._finish_writing()
        state = self._insist(
            lambda: endings.end(self._yard.database, self._lease, outcome, failure)
        )
        log.info("job %s: %s, now %s", self._lease.job_id, outcome, state)

    def _judge(self, ending: Failed | Stopped) -> tuple[Outcome, Failure | None]:
        if isinstance(ending, Stopped):
            return _OUTCOMES[self._stopping_for or "drain"], None
        failure = Failure(ending.error, plain(ending.message), ending.traceback)
        crashed = ending.error == "crash" or ending.error in WORTH_A_RETRY
        return ("crashed" if crashed else "failed"), failure

    def _finish_writing(self) -> None:
        self._insist(self._recorder.flush)

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
        with ThreadPoolExecutor(1, f"job-{self._lease.job_id}") as pool:
            future = pool.submit(work)
            while not wait([future], timeout=min(1.0, self._renew_every)).done:
                self._write_if_due()
                self._heed_wishes()
            return future.result()

    def _give_up(self) -> None:
        """After a fault of our own: give the job another try rather than leave it hanging."""
        with contextlib.suppress(DatabaseUnavailable, LeaseLost):
            endings.end(
                self._yard.database,
                self._lease,
                "crashed",
                Failure("supervisor", message("worker.supervisor_failed")),
            )


_OUTCOMES: dict[Reason, Outcome] = {"cancel": "cancelled", "pause": "paused", "drain": "drained"}

_PAST: dict[Outcome, str] = {
    "cancelled": "cancelled",
    "paused": "paused",
    "drained": "handed back to the queue, because its worker is stopping",
}


def _no_room(error: OSError) -> str:
    return (
        f"A file could not be written ({error.strerror or error}). Is the worker's disk full? "
        "Free some space, then retry the run."
    )
