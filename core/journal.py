"""Writes down what running jobs report, under the lease's guard.

Many reports travel in one transaction. A report of a job that was taken away writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from core.database import Database, now, storable
from core.lease import Lease, guarded_update
from core.models import Attempt, Epoch, Job, LogLine, Point
from core.reports import EpochEnd, Line, Reading, Report, Started
from core.states import Desired

LONGEST_LINE = 10_000

# what a report sets in the job's own row
_READING = {"epoch", "batch", "train_loss", "images_per_s", "eta_s"}
_EPOCH_END = _READING | {"test_loss", "test_accuracy"}


class Journal:
    """The record of one attempt. Reports wait in memory until a flush has committed them."""

    def __init__(self, database: Database, lease: Lease, lease_seconds: float) -> None:
        self._database = database
        self._lease = lease
        self._lease_seconds = lease_seconds
        self._pending: list[Report] = []
        self._lines_written = 0

    def record(self, report: Report) -> None:
        """Take a report, to be written by the next flush."""
        self._pending.append(report)

    @property
    def has_news(self) -> bool:
        """Whether reports wait to be written."""
        return bool(self._pending)

    def flush(self) -> Desired:
        """Write what waits, in order, and renew the lease, in one transaction.

        Rows are keyed by epoch, step and line number, so a flush whose answer was lost can be
        tried again: nothing is doubled.

        Returns:
            What a person wants of the job now.

        Raises:
            LeaseLost: the job belongs to another attempt; nothing was written.
            DatabaseUnavailable: nothing is lost; flush again later.
        """
        reports = list(self._pending)
        lines = [report for report in reports if isinstance(report, Line)]
        with self._database.writing() as session:
            values = {key: value for report in reports for key, value in _summary(report).items()}
            desired = guarded_update(
                session, self._lease, {**values, "lease_expires_at": now(self._lease_seconds)}
            )
            for report in reports:
                if isinstance(report, Started):
                    self._start(session, report)
            self._write_lines(session, lines)
            self._write_rows(
                session, Point, Point.step, [r for r in reports if isinstance(r, Reading)]
            )
            self._write_rows(
                session, Epoch, Epoch.epoch, [r for r in reports if isinstance(r, EpochEnd)]
            )
        del self._pending[: len(reports)]
        self._lines_written += len(lines)
        return desired

    def _start(self, session: Session, report: Started) -> None:
        """Note the device, and take back what an earlier attempt wrote past this beginning."""
        job_id = self._lease.job_id
        session.execute(
            update(Attempt)
            .where(Attempt.job_id == job_id, Attempt.number == self._lease.attempt)
            .values(device=report.device, threads=report.threads)
        )
        session.execute(delete(Point).where(Point.job_id == job_id, Point.step > report.step))
        session.execute(delete(Epoch).where(Epoch.job_id == job_id, Epoch.epoch > report.epoch))

    def _write_lines(self, session: Session, lines: Sequence[Line]) -> None:
        if not lines:
            return
        session.execute(
            delete(LogLine).where(
                LogLine.job_id == self._lease.job_id,
                LogLine.attempt == self._lease.attempt,
                LogLine.number > self._lines_written,
            )
        )
        rows = [
            {
                "job_id": self._lease.job_id,
                "attempt": self._lease.attempt,
                "number": number,
                "level": line.level,
                "text": storable(line.text)[:LONGEST_LINE],
            }
            for number, line in enumerate(lines, self._lines_written + 1)
        ]
        # row by row: one statement takes only so many values, and after an outage there are many
        session.execute(insert(LogLine).values(time=now()), rows)

    def _write_rows(
        self, session: Session, table: Any, key: Any, reports: Sequence[Reading | EpochEnd]
    ) -> None:
        if not reports:
            return
        columns = set(table.__table__.columns.keys())
        rows = [
            {"job_id": self._lease.job_id, "attempt": self._lease.attempt}
            | report.model_dump(include=columns)
            for report in reports
        ]
        first = min(row[key.key] for row in rows)
        session.execute(delete(table).where(table.job_id == self._lease.job_id, key >= first))
        session.execute(insert(table), rows)


def _summary(report: Report) -> dict[str, Any]:
    match report:
        case Started():
            measured = {} if report.step else dict.fromkeys(_EPOCH_END - _READING | {"train_loss"})
            return measured | {
                "resets": Job.resets + 1,
                "epochs": report.epochs,
                "batches": report.batches,
                "epoch": report.epoch,
                "batch": 0,
                "images_per_s": None,
                "eta_s": None,
            }
        case Reading():
            return report.model_dump(include=_READING)
        case EpochEnd():
            return report.model_dump(include=_EPOCH_END)
        case _:
            return {}
