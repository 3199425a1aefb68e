"""Runs one claimed job: gives a trainer its order, relays its reports, keeps the lease, ends it.

One thread a job. The job's end is written only after its process is gone. When the lease turns
out to be lost, the trainer is killed and nothing more is written. The trainers of a run on several
devices are handled as one (`worker/processes/group.py`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from core import formats, logs
from core.errors import DatabaseUnavailable, LeaseLost, TrainyardError, Unavailable
from core.jobs import endings, initial
from core.jobs.endings import Failure
from core.jobs.initial import Initial
from core.jobs.lease import Lease
from core.jobs.recorder import Recorder
from core.messages import Message, message
from core.protocol.orders import Order
from core.protocol.reports import (
    Failed,
    Finished,
    Report,
    Saved,
    Started,
    StepMetrics,
    StepMetricsBatch,
    Stopped,
)
from core.spec.spec import TrainingSpec
from core.states import Outcome
from worker.context import WorkerContext
from worker.processes.group import Group
from worker.processes.pipe import WakeupPipe
from worker.processes.trainer import Trainer
from worker.slots import Slot
from worker.supervisor import snapshot_transfer
from worker.supervisor.fence import Fence
from worker.supervisor.progress import Hang, ProgressWatch
from worker.supervisor.publishing import StoreAccess, publish
from worker.supervisor.resources import ResourceSampler
from worker.supervisor.snapshot_transfer import SnapshotTransfer
from worker.supervisor.stopping import Stopping
from worker.supervisor.trial import Trial, work_of
from worker.supervisor.writing import ReportWriter

EXIT_TIMEOUT_S = 5.0

# another attempt may find the memory free or the process spared
CRASHES = frozenset({"crash", "out_of_memory", "hung"})

Ending = Finished | Failed | Stopped

log = logs.get_logger(__name__)


class WeightsGone(TrainyardError):
    """The weights that a run is to begin with are gone or damaged."""


class Supervisor:
    """The supervision of one attempt."""

    def __init__(
        self,
        context: WorkerContext,
        lease: Lease,
        slots: Sequence[Slot],
        trainer: Trainer | Group,
        claimed_at: float | None = None,
    ) -> None:
        """Take note of the attempt.

        Args:
            context: the worker.
            lease: on the job.
            slots: where it runs.
            trainer: what trains it.
            claimed_at: when the claim was sent, by `elapsed`; None: now.
        """
        settings = context.settings
        self._context = context
        self._lease = lease
        self._slots = slots
        self._trainer = trainer
        self._recorder = Recorder(context.database, lease, settings.lease_seconds)
        self._fence = Fence(trainer, settings.lease_seconds, claimed_at)
        self._writer = ReportWriter(
            self._recorder,
            lease,
            context.wakeups,
            settings.lease_seconds,
            is_draining=context.draining.is_set,
            renewed=self._fence.renewed,
        )
        self._stopping = Stopping(trainer, settings.grace_seconds)
        self._watch = ProgressWatch(trainer, settings.hang_seconds)
        self._hang: Hang | None = None
        gauges = context.gauges
        self._resources = ResourceSampler(
            [slot.device for slot in slots], gauges.of if gauges else lambda _device: {}
        )
        self._store = StoreAccess(self._writer, self._stopping, self._keep_up)
        self._pipe: WakeupPipe
        self._trial = Trial(context.database, lease)
        self._has_started = False
        # the lease is not renewed while a trainer exits
        self._exit_timeout = min(EXIT_TIMEOUT_S, settings.lease_seconds / 3)

    def run(self) -> None:
        """Run the job to its end, or until it is lost, cancelled, paused or handed back."""
        with logs.bound(job_id=self._lease.job_id, attempt=self._lease.attempt):
            try:
                self._run()
            except LeaseLost:
                log.warning("lease_lost")
            except DatabaseUnavailable as error:
                # this worker is to stop: whoever finds the lease over gives the job another try
                log.warning("job_end_not_written", reason=str(error))
            except Exception:  # the thread's boundary: its slot must become free
                log.exception("supervisor_failed")
                self._give_up()
            finally:
                self._context.wakeups.announce("changed", self._lease.job_id)

    def _run(self) -> None:
        context = self._context
        with (
            context.pipes.watching(self._lease.job_id) as pipe,
            SnapshotTransfer(context.storage, self._recorder, pipe.poke) as transfer,
            self._trainer,  # so that it is the first to end, whatever else hangs
            self._fence,
        ):
            self._pipe = pipe
            ending = self._start() or self._follow(transfer)
            self._reap()
            self._fence.close()
            self._wait_for(transfer)
            if isinstance(ending, Finished):
                self._succeed(ending)
            else:
                self._end(ending)

    def _start(self) -> Failed | Stopped | None:
        """Give the trainer its order, with the newest snapshot that there is."""
        begins_with = self._writer.insist(self._find_initial_weights)
        initial_weights = None
        try:
            resume_from = self._fetch_snapshot() if self._lease.attempt > 1 else None
            if begins_with is not None and resume_from is None:
                initial_weights = self._fetch(begins_with)
        except Unavailable as error:
            return self._without_store(error)
        except OSError as error:
            reason = message("run.file_error", detail=str(error.strerror or error))
            return Failed(error_kind="storage", reason=reason, unfit_for="everything")
        except WeightsGone as error:
            return Failed(error_kind="weights_gone", reason=error.reason)
        self._trainer.give(self._order(resume_from, initial_weights, begins_with))
        self._fence.order_given()
        self._watch.begin()
        self._resources.begin(self._trainer.process_ids)
        where = [
            f"worker {self._context.settings.worker_name}",
            *(slot.device.name for slot in self._slots),
        ]
        self._writer.log(f"Attempt {self._lease.attempt} starts on {', '.join(where)}.")
        if begins_with is not None and resume_from is None:
            self._writer.log(
                f"It begins with the weights of run {begins_with.source_id}, epoch "
                f"{begins_with.epoch}."
            )
        self._writer.postpone()
        return None

    def _fetch_snapshot(self) -> Path | None:
        database, storage = self._context.database, self._context.storage
        path, log_lines = self._store.run(
            lambda: snapshot_transfer.fetch(database, storage, self._lease, self._trainer.scratch)
        )
        for line in log_lines:
            self._writer.record(line)
        return path

    def _find_initial_weights(self) -> Initial | None:
        """The weights of another run that this one begins with, where it does."""
        with self._context.database.reading() as session:
            return initial.of(session, self._lease.job_id)

    def _fetch(self, found: Initial) -> Path:
        """Fetch the weights that the run begins with.

        Raises:
            WeightsGone: they are gone or damaged.
            Unavailable: the store is away.
        """
        fetch = partial(
            snapshot_transfer.fetch_initial,
            self._context.storage,
            found.blob,
            self._trainer.scratch,
        )
        path = self._store.run(fetch)
        if path is None:
            raise WeightsGone(message("weights.gone", job_id=found.source_id))
        return path

    def _order(
        self, resume_from: Path | None, initial_weights: Path | None, begins_with: Initial | None
    ) -> Order:
        return Order(
            spec=TrainingSpec.model_validate(self._lease.spec),
            data=self._context.settings.data_folder,
            scratch=self._trainer.scratch,
            device=self._slots[0].device_for(self._lease.needs.device),
            precision=self._lease.needs.precision,
            threads=self._slots[0].threads,
            resume_from=resume_from,
            initial_weights=initial_weights,
            initial_sha256=begins_with.blob.sha256 if begins_with else None,
            report_every_step=self._context.settings.report_every_step,
            ends_at=self._fence.ends_at,
        )

    def _follow(self, transfer: SnapshotTransfer) -> Ending:
        """Relay reports until the trainer reports how it ended, or its process is gone."""
        while True:
            reports = self._trainer.read(self._seconds_until_due(), self._pipe.descriptor)
            self._note_wakeup()
            if reports is None:
                return self._unreported_end()
            ending = self._relay(reports, transfer)
            if ending is not None:
                self._trainer.wait(self._exit_timeout)
                return ending
            transfer.settle()
            self._write_and_apply_wanted()
            self._end_if_hung()
            self._kill_if_due()

    def _relay(self, reports: Sequence[Report], transfer: SnapshotTransfer) -> Ending | None:
        """Pass reports on; the one that is the trainer's last, if it is among them."""
        for report in reports:
            if isinstance(report, Finished | Failed | Stopped):
                return report
            if isinstance(report, Started):
                self._trial.started()
                self._context.starts.began()
                self._has_started = True
            if isinstance(report, Saved):
                transfer.take(report)
            else:
                self._writer.record(report)
            if isinstance(report, StepMetrics | StepMetricsBatch):
                self._sample_beside(report)
        return None

    def _sample_beside(self, report: StepMetrics | StepMetricsBatch) -> None:
        sample = self._resources.beside(report)
        if sample is not None:
            self._writer.record(sample)

    def _seconds_until_due(self) -> float:
        """Seconds until something is due even if the trainer reports nothing."""
        due = [self._writer.next_due, self._watch.next_due]
        if self._stopping.kill_due is not None:
            due.append(self._stopping.kill_due)
        return min(due) - time.monotonic()

    def _note_wakeup(self) -> None:
        """Read what is wanted with the next write, where somebody has woken us for it."""
        if self._pipe.clear():
            self._writer.renew_now()

    def _keep_up(self) -> None:
        """Do what is due while something else is waited for."""
        self._note_wakeup()
        self._write_and_apply_wanted()

    def _write_and_apply_wanted(self) -> None:
        self._writer.write_if_due()
        self._stopping.apply_wanted(
            self._writer.wanted, is_draining=self._context.draining.is_set()
        )

    def _end_if_hung(self) -> None:
        """End a trainer that shows no progress, with a snapshot where it can still write one."""
        hang = self._watch.look()
        if hang is None or self._stopping.is_asked:
            return
        self._hang = hang
        self._writer.log(
            f"No progress for {formats.seconds(hang.silent_s)} while {hang.phase}: the training "
            "process seems to hang. It is asked where it is and to save, and then ended.",
            "warning",
        )
        self._trainer.dump_stacks()
        self._stopping.end_hang()

    def _kill_if_due(self) -> None:
        if self._stopping.kill_if_due():
            self._writer.log(
                "The training process did not stop within "
                f"{formats.seconds(self._stopping.grace_seconds)} and was killed.",
                "warning",
            )

    def _unreported_end(self) -> Failed | Stopped:
        """The end of a trainer that reported none."""
        if not self._trainer.wait(self._exit_timeout):
            self._reap()
        self._fence.look()  # the trainer may have been the first to see that its time is over
        if self._stopping.is_asked or self._fence.fired_after_s is not None:
            return Stopped()
        return self._crash(self._trainer.end_reason(), self._trainer.output_tail() or None)

    def _crash(self, reason: Message, output: str | None) -> Failed:
        """A crash: of the run, or of one run after the other before they train on this worker."""
        if self._has_started or not self._context.starts.ended_early(self._lease.job_id):
            return Failed(error_kind="crash", reason=reason, traceback=output)
        return Failed(
            error_kind="early_crash",
            reason=message("worker.trainers_end", reason=reason),
            traceback=output,
            unfit_for="everything",
        )

    def _reap(self) -> None:
        """Return when no process of the job is left, however long the kernel takes."""
        while not self._trainer.reap(1.0):
            self._writer.write_if_due()

    def _wait_for(self, transfer: SnapshotTransfer) -> None:
        """Wait until the last snapshot is stored, as long as the end of the run may take."""
        began = time.monotonic()
        while not transfer.wait(min(1.0, self._writer.renew_every_s)):
            self._keep_up()
            if not self._stopping.may_wait_for_store(began):
                self._writer.log(
                    "The file store does not answer: the last snapshot is left out.", "warning"
                )
                return

    def _succeed(self, ending: Finished) -> None:
        """Put the finished files into the file store, then end the job."""
        try:
            publications = publish(self._store, self._context.storage, ending.files, ending.epoch)
        except Unavailable as error:
            self._end(self._without_store(error))
            return
        self._writer.finish()
        self._writer.insist(
            lambda: endings.succeed(
                self._context.database,
                self._lease,
                ending.weights_sha256,
                publications,
                ending.reason,
            )
        )
        self._trial.succeeded()
        log.info("job_succeeded")

    def _without_store(self, error: Unavailable) -> Failed | Stopped:
        """The end of a run whose file store was away for too long, or until it was stopped."""
        if self._stopping.is_asked:
            return Stopped()
        return Failed(error_kind="storage_unavailable", reason=error.reason, unfit_for="everything")

    def _end(self, ending: Failed | Stopped) -> None:
        """End the attempt; its process is gone."""
        outcome, failure = self._outcome(ending)
        if failure:
            self._writer.log(failure.reason.text, "warning" if outcome == "drained" else "error")
        else:
            self._writer.log(f"The run was {_PAST[outcome]}.")
        self._writer.finish()
        state = self._writer.insist(
            lambda: endings.end(self._context.database, self._lease, outcome, failure)
        )
        log.info("attempt_ended", outcome=outcome, state=state)

    def _outcome(self, ending: Failed | Stopped) -> tuple[Outcome, Failure | None]:
        if self._hang is not None and self._stopping.is_for_hang:
            return "crashed", self._hung(self._hang)
        if isinstance(ending, Stopped):
            silence_s = self._fence.fired_after_s
            if silence_s is not None and not self._stopping.is_asked:
                reason = message("worker.cut_off", silence_s=silence_s)
                return "drained", Failure("cut_off", reason)
            return self._stopping.outcome, None
        if ending.unfit_for is not None:
            work = work_of(ending.unfit_for, self._lease)
            log.warning("worker_rests", work=work, reason=ending.reason.text)
            reason, traceback = ending.reason, ending.traceback
            return "worker_fault", Failure(ending.error_kind, reason, traceback, work)
        failure = Failure(ending.error_kind, ending.reason, ending.traceback)
        return ("crashed" if ending.error_kind in CRASHES else "failed"), failure

    def _hung(self, hang: Hang) -> Failure:
        """The failure of a trainer that hung, with where it was, which the log has line by line."""
        stacks = self._trainer.stacks()
        for line in (stacks or "Its threads did not answer.").splitlines():
            self._writer.log(line)
        reason = message("process.hung", silent_s=hang.silent_s, phase=hang.phase)
        return Failure("hung", reason, stacks or None)

    def _give_up(self) -> None:
        """After a fault of our own: give the job another try rather than leave it hanging."""
        with contextlib.suppress(DatabaseUnavailable, LeaseLost):
            endings.end(
                self._context.database,
                self._lease,
                "crashed",
                Failure("supervisor", message("worker.supervisor_failed")),
            )


_PAST: dict[Outcome, str] = {
    "cancelled": "cancelled",
    "paused": "paused",
    "drained": "handed back to the queue, because its worker is stopping",
}
