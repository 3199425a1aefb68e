"""Whether a run is to blame for faults that look like those of its workers.

A disk is full because of others, or because of this run. Nobody knows by one try: but a run that
ends in the same way on worker after worker has that with it. What depends on nothing but a run's
dataset or its kind of device is never blamed on it: it waits.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database.models import Attempt, Job, JobEvent, Worker
from core.jobs.capacity import EVERYTHING, capacity_of, requirements
from core.jobs.rests import Fault
from core.messages import Message, message
from core.workers import live

WORKERS = 3
"""Different workers on which a run ends in the same way before it is blamed."""
TRIES = 5
"""Times that it ends so where there are not as many workers, on each that could run it."""
LOOKED_AT = 100
"""Newest attempts of a run that are looked at."""
NEVER = frozenset({"storage_unavailable"})
"""Kinds of faults that are no run's own: a service does not answer."""


def same_faults(session: Session, job: Job, fault: Fault) -> list[str]:
    """The names of the workers on which a run has ended in this way, newest first, one a try.

    The attempt that ends now is the first of them. What was before a retry that a person asked for
    does not count, nor what was before new progress.
    """
    retried = (
        select(func.coalesce(func.max(JobEvent.attempt), 0))
        .where(JobEvent.job_id == job.id, JobEvent.kind == "retried")
        .scalar_subquery()
    )
    rows = session.execute(
        select(Attempt.number, Attempt.outcome, Attempt.reason, Attempt.secured_step, Worker.name)
        .join(Worker, Worker.id == Attempt.worker_id)
        .where(Attempt.job_id == job.id, Attempt.number > retried)
        .order_by(Attempt.number.desc())
        .limit(LOOKED_AT)
    )
    names = []
    for row in rows:
        is_this = row.number == job.attempt
        if is_this or (row.outcome == "worker_fault" and _is_like(row.reason, fault.reason)):
            names.append(row.name)
        if row.secured_step is not None:
            break
    return names


def blamed(session: Session, job: Job, fault: Fault, names: list[str]) -> Message | None:
    """Why a run is to blame for a fault, or None where it is not, or not yet.

    Args:
        session: where to look.
        job: the run.
        fault: how its attempt ends now.
        names: those of `same_faults`.
    """
    if fault.work != EVERYTHING or fault.kind in NEVER:
        return None
    workers = sorted(set(names))
    if len(workers) < WORKERS and (len(names) < TRIES or _has_another(session, job, workers)):
        return None
    return message("run.same_fault", reason=fault.reason, tries=len(names), workers=workers)


def _has_another(session: Session, job: Job, names: list[str]) -> bool:
    """Whether a live worker could run a job on which it has not failed."""
    needs = requirements(job)
    return any(
        job.queue in worker.queues and worker.name not in names and capacity_of(worker).fits(needs)
        for worker in live(session)
        if worker.desired != "drain"
    )


def _is_like(reason: Message | None, other: Message) -> bool:
    return reason is not None and _code(reason) == _code(other)


def _code(reason: Message) -> str:
    """What a reason says, on whichever rank."""
    if reason.code == "run.failed_on_rank":
        inner = reason.params["reason"]
        assert isinstance(inner, Message)
        return inner.code
    return reason.code
