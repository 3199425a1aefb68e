"""What a worker looks for between jobs: due work, leases that are over, queues to notify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, update

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Job
from core.jobs.claim import Claimant, claimable

NOTIFY_AGAIN_S = 10.0
"""A job that is due for so long without a notification is notified for again."""


@dataclass(frozen=True, slots=True)
class PollResult:
    """What there is to do, as a worker sees it."""

    due_in_s: float | None
    """Seconds until a claim would find a job: 0 or less for now, None where none waits."""

    are_leases_over: bool
    """Whether a running job's lease has run out: for `endings.reap`."""

    are_jobs_unnotified: bool
    """Whether nobody was notified lately of a job that is due: for `unnotified_queues`."""


def poll(database: Database, claimant: Claimant) -> PollResult:
    """Look once, by one statement, for everything that a worker may have to do."""
    with database.reading() as session:
        due_at, expired, unnotified, moment = session.execute(
            select(
                select(func.min(Job.available_at)).where(*claimable(claimant)).scalar_subquery(),
                select(Job.id).where(Job.state == "running", Job.lease_expires_at < now()).exists(),
                select(Job.id).where(*_unnotified(claimant.queues)).exists(),
                now(),
            )
        ).one()
    due_in_s = (due_at - moment).total_seconds() if due_at else None
    return PollResult(due_in_s, bool(expired), bool(unnotified))


def unnotified_queues(database: Database, served: Sequence[str]) -> set[str]:
    """Of the queues `served`, those with due jobs for which no worker was notified lately.

    They count as notified now.
    """
    with database.writing() as session:
        queues = session.scalars(
            update(Job)
            .where(*_unnotified(served))
            .values(notified_at=now())
            .returning(Job.queue)
            .execution_options(synchronize_session=False)
        ).all()
        return set(queues)


def _unnotified(queues: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        Job.state == "queued",
        Job.queue.in_(queues),
        Job.available_at <= now(),
        Job.notified_at < now(-NOTIFY_AGAIN_S),
    )
