"""Writes down what running jobs report, under the lease's guard.

Many reports travel in one transaction. A report of a job that was taken away writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Float, bindparam, case, delete, insert, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database, storable
from core.database.models import MEASURED, Attempt, Epoch, Evaluation, Job, LogLine
from core.database.models import ResourceSample as ResourceRow
from core.errors import DatabaseUnavailable
from core.jobs import events, snapshots
from core.jobs.lease import Lease, guarded_update
from core.jobs.snapshots import SnapshotRef
from core.metrics.samples import NAMES, Samples
from core.metrics.writer import MetricWriter
from core.protocol.reports import (
    EpochEnd,
    Evaluated,
    Line,
    Report,
    ResourceSample,
    Shrunk,
    Started,
    StepMetrics,
    StepMetricsBatch,
    host_clock,
)
from core.spec import facts
from core.states import EventKind, Wanted

LONGEST_LINE = 10_000

# what a report sets in the job's progress
_PROGRESS = {"epoch", "batch", "train_loss", "images_per_s", "eta_s"}

_STARTED = {"device", "device_kind", "threads", "precision", "epoch", "step"}
"""What the history tells of a beginning."""


class Recorder:
    """The record of one attempt. Reports wait in memory until a flush has committed them."""

    def __init__(self, database: Database, lease: Lease, lease_seconds: float) -> None:
        self._database = database
        self._lease = lease
        self._lease_seconds = lease_seconds
        self._pending: list[Report] = []
        self._secured: list[SnapshotRef] = []
        self._metrics = MetricWriter(lease.job_id, lease.attempt)
        self._lines_written = 0
        self._resources_written = 0
        self.flush_cost = 0
        """Statements that the last flush took, its transaction's begin and end among them."""
        self._may_be_written = False
        """Whether the answer to a flush was lost: what waits may be in the tables already."""
        self._is_precision_open = facts.leaves_precision_open(lease.spec)
        self._pin: dict[str, Any] = {}
        """What the run is bound to from its first snapshot on."""

    def record(self, report: Report) -> None:
        """Take a report, to be written by the next flush."""
        self._pending.append(report)
        if isinstance(report, Started):
            self._pin = {
                "device": report.device_kind,
                "pinned_precision": report.precision if self._is_precision_open else None,
                "pinned_threads": report.threads if _is_bound_to_threads(report) else None,
            }

    def secure(self, snapshot: SnapshotRef) -> None:
        """Take a snapshot whose bytes are in the blob store, to be written by the next flush.

        The reports of all that it contains were recorded before.
        """
        self._secured.append(snapshot)

    @property
    def snapshots_waiting(self) -> int:
        """Snapshots that wait to be written."""
        return len(self._secured)

    @property
    def has_news(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._pending or self._secured)

    def flush(self) -> Wanted:
        """Write what waits, in order, and renew the lease, in one transaction.

        Epochs, samples and lines are known by their numbers, so a flush whose answer was lost can
        be tried again: nothing is doubled.

        Returns:
            What is wanted of the job now.

        Raises:
            LeaseLost: the job belongs to another attempt; nothing was written.
            DatabaseUnavailable: nothing is lost; flush again later.
        """
        reports, secured = list(self._pending), list(self._secured)
        lines = [report for report in reports if isinstance(report, Line)]
        resources = [report for report in reports if isinstance(report, ResourceSample)]
        samples = _samples(reports)
        own, of_progress = _summaries(reports)
        if secured:
            own |= _secured(secured[-1].step) | self._pin
        try:
            with self._database.writing() as session:
                of_progress["lease_expires_at"] = now(self._lease_seconds)
                wanted = guarded_update(session, self._lease, own, of_progress)
                for report in reports:
                    if isinstance(report, Started):
                        self._start(session, report, own)
                    elif isinstance(report, Shrunk):
                        self._note(session, micro_batch=report.micro_batch)
                    elif isinstance(report, Evaluated):
                        self._write_evaluation(session, report)
                self._write_lines(session, lines)
                self._write_resources(session, resources)
                self._metrics.write(session, samples)
                self._write_epochs(session, [r for r in reports if isinstance(r, EpochEnd)])
                for snapshot in secured:
                    snapshots.add(session, self._lease.job_id, self._lease.attempt, snapshot)
                self._append_events(session, reports, secured)
        except DatabaseUnavailable:
            self._may_be_written = True
            self._metrics.forget()
            raise
        kinds = {type(report) for report in reports} - {Started, StepMetrics, StepMetricsBatch}
        self.flush_cost = (
            3 + len(kinds) + self._metrics.statements + len(secured) * snapshots.STATEMENTS_TO_ADD
        )
        self._metrics.settle()
        del self._pending[: len(reports)], self._secured[: len(secured)]
        self._lines_written += len(lines)
        self._resources_written += len(resources)
        self._may_be_written = False
        return wanted

    def _start(self, session: Session, report: Started, own: dict[str, Any]) -> None:
        """Note the device, and take back what an earlier attempt wrote past this beginning."""
        job_id = self._lease.job_id
        self._note(
            session,
            device=report.device,
            threads=report.threads,
            precision=report.precision,
            first_step=report.step,
        )
        self._metrics.take_back(session, report.step)
        session.execute(delete(Epoch).where(Epoch.job_id == job_id, Epoch.epoch > report.epoch))
        session.execute(
            delete(ResourceRow).where(ResourceRow.job_id == job_id, ResourceRow.step > report.step)
        )
        snapshots.discard(session, job_id, after_step=report.step)
        session.execute(delete(Evaluation).where(Evaluation.job_id == job_id))
        last = session.get(Epoch, (job_id, report.epoch))
        if last and own["test_loss"] is None:  # unless this flush brings newer ones
            session.execute(
                update(Job)
                .where(Job.id == job_id)
                .values({name: getattr(last, name) for name in MEASURED})
            )

    def _append_events(
        self, session: Session, reports: Sequence[Report], secured: Sequence[SnapshotRef]
    ) -> None:
        """Append to the job's history that it started, and where it was saved."""
        moves: list[tuple[EventKind, dict[str, Any]]] = [
            ("started", report.model_dump(include=_STARTED))
            for report in reports
            if isinstance(report, Started)
        ]
        moves += [("snapshot", {"epoch": each.epoch, "step": each.step}) for each in secured]
        append = events.append_once if self._may_be_written else events.append
        for kind, payload in moves:
            append(
                session, self._lease.job_id, self._lease.actor, kind, self._lease.attempt, payload
            )

    def _note(self, session: Session, **facts: Any) -> None:
        """Keep something in the row of this attempt."""
        session.execute(
            update(Attempt)
            .where(Attempt.job_id == self._lease.job_id, Attempt.number == self._lease.attempt)
            .values(**facts)
        )

    def _write_evaluation(self, session: Session, report: Evaluated) -> None:
        job_id = self._lease.job_id
        session.execute(delete(Evaluation).where(Evaluation.job_id == job_id))
        session.execute(
            insert(Evaluation).values(
                job_id=job_id, attempt=self._lease.attempt, content=report.content
            )
        )

    def _write_lines(self, session: Session, lines: Sequence[Line]) -> None:
        if not lines:
            return
        self._take_back(session, LogLine, self._lines_written)
        flushed_at = host_clock()
        rows = [
            {
                "job_id": self._lease.job_id,
                "attempt": self._lease.attempt,
                "number": number,
                "since_s": -max(0.0, flushed_at - line.written_at),
                "level": line.level,
                "text": storable(line.text)[:LONGEST_LINE],
            }
            for number, line in enumerate(lines, self._lines_written + 1)
        ]
        # row by row: one statement takes only so many values, and after an outage there are many
        since = bindparam("since_s", type_=Float)
        session.execute(insert(LogLine).values(time=now(since)), rows)

    def _write_resources(self, session: Session, resources: Sequence[ResourceSample]) -> None:
        if not resources:
            return
        self._take_back(session, ResourceRow, self._resources_written)
        flushed_at = host_clock()
        rows = [
            report.model_dump(exclude={"kind", "read_at"})
            | {
                "job_id": self._lease.job_id,
                "attempt": self._lease.attempt,
                "number": number,
                "since_s": -max(0.0, flushed_at - report.read_at),
            }
            for number, report in enumerate(resources, self._resources_written + 1)
        ]
        since = bindparam("since_s", type_=Float)
        session.execute(insert(ResourceRow).values(time=now(since)), rows)

    def _take_back(self, session: Session, table: Any, written: int) -> None:
        """Delete what an earlier flush of this attempt may have written beyond a number."""
        if self._may_be_written:
            session.execute(
                delete(table).where(
                    table.job_id == self._lease.job_id,
                    table.attempt == self._lease.attempt,
                    table.number > written,
                )
            )

    def _write_epochs(self, session: Session, reports: Sequence[EpochEnd]) -> None:
        if not reports:
            return
        job_id = self._lease.job_id
        columns = set(Epoch.__table__.columns.keys())
        rows = [
            {"job_id": job_id, "attempt": self._lease.attempt} | report.model_dump(include=columns)
            for report in reports
        ]
        if self._may_be_written:
            first = min(report.epoch for report in reports)
            session.execute(delete(Epoch).where(Epoch.job_id == job_id, Epoch.epoch >= first))
        session.execute(insert(Epoch), rows)


def _samples(reports: Sequence[Report]) -> Samples:
    """The metric samples among some reports, in columns."""
    samples = Samples()
    for report in reports:
        if isinstance(report, StepMetrics):
            samples.add(*(getattr(report, name) for name in NAMES))
        elif isinstance(report, StepMetricsBatch):
            samples.extend([getattr(report, name) for name in NAMES])
    return samples


def _is_bound_to_threads(report: Started) -> bool:
    """Whether the bytes of a run depend on the number of its threads."""
    return report.device_kind == "cpu" and report.shards is None


def _secured(step: int) -> dict[str, Any]:
    """More batches secured than ever before give the budget of crashes and losses back."""
    is_new = Job.secured_step < step
    return {
        "crashes": case((is_new, 0), else_=Job.crashes),
        "losses": case((is_new, 0), else_=Job.losses),
        "secured_step": case((is_new, step), else_=Job.secured_step),
    }


def _summaries(reports: Sequence[Report]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What some reports set in the job's own row, and in that of its progress."""
    own: dict[str, Any] = {}
    of_progress: dict[str, Any] = {}
    for report in reports:
        own |= _own_summary(report)
        of_progress |= _progress_summary(report)
    return own, of_progress


def _own_summary(report: Report) -> dict[str, Any]:
    match report:
        case Started():
            # the measurements of an earlier attempt go; those before this beginning come back
            return dict.fromkeys(MEASURED) | {
                "resets": Job.resets + 1,
                "epochs": report.epochs,
                "batches": report.batches,
            }
        case EpochEnd():
            return report.model_dump(include=set(MEASURED))
        case _:
            return {}


def _progress_summary(report: Report) -> dict[str, Any]:
    match report:
        case Started():
            begun = _begun_at(report) | {"images_per_s": None, "eta_s": None}
            return begun if report.step else begun | {"train_loss": None}
        case StepMetrics() | EpochEnd():
            return report.model_dump(include=_PROGRESS)
        case StepMetricsBatch():
            return _progress_summary(report.last)
        case _:
            return {}


def _begun_at(report: Started) -> dict[str, int]:
    """Where a run begins, as its progress says it: all that it resumes with is done already."""
    into_next = report.step - report.epoch * report.batches
    if into_next > 0:
        return {"epoch": report.epoch + 1, "batch": into_next}
    return {"epoch": report.epoch, "batch": report.batches if report.epoch else 0}
