"""The queue is the `jobs` table, and this is the only file that moves a job between states.

Each move is a conditional UPDATE: the row count decides who did it. After the commit the
caller rings the notifier or wakes the watchers; neither carries anything that can go stale.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from core.database.engine import Database, now, storable
from core.database.models import (
    KIND_LENGTH,
    LARGEST_KEY,
    NAME_LENGTH,
    Artifact,
    Attempt,
    Job,
    artifact_kind,
)
from core.errors import Conflict, DatabaseUnavailable, NotFound
from core.jobs import snapshots
from core.jobs.lease import Lease, guarded_update
from core.spec.spec import TrainingSpec
from core.states import FINAL, Desired, Outcome, State, may_become
from core.storage.store import Blob

CRASH_BUDGET = 3
LOSS_BUDGET = 10
FIRST_BACKOFF_S = 2.0
LONGEST_BACKOFF_S = 300.0
NOTIFY_AGAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one run can have of a worker."""

    slots: int
    devices: int
    """How many of the slots lie apart: those of a CPU all do, of those of one GPU a run can have
    but one. A run on the CPU of a host with GPUs does not mind."""

    def fits(self, wanted: Requirements) -> bool:
        """Whether a run fits in."""
        return wanted.devices <= (self.slots if wanted.device == "cpu" else self.devices)


ONE = Capacity(1, 1)


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a job needs to run: so many devices of a kind."""

    device: str
    devices: int


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who asks for work, and what it can run."""

    worker_id: int
    queues: Sequence[str]
    devices: Sequence[str]
    max_capacity: Capacity = ONE
    """What it can give a run when it is idle."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run did not succeed."""

    kind: str
    message: str
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """A finished file whose bytes are already in the blob store."""

    blob: Blob
    epoch: int
    format: str
    filename: str


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of a job whose attempt has ended."""

    state: State
    crashes: int
    losses: int
    delay_s: float = 0.0


def submit(
    database: Database,
    *,
    name: str,
    spec: TrainingSpec,
    preset: str | None = None,
    priority: int = 0,
    queue: str = "default",
) -> Job:
    """Put a job into the queue. The caller rings the notifier once this has returned."""
    job = Job(
        name=name,
        preset=preset,
        spec=spec.model_dump(mode="json"),
        priority=priority,
        queue=queue,
        device=spec.device,
        devices=spec.devices,
        state="queued",
        desired="run",
        attempt=0,
        revision=1,
        resets=0,
        created_at=now(),
        available_at=now(),
        notified_at=now(),
        crashes=0,
        losses=0,
        secured_step=0,
        epoch=0,
        epochs=spec.epochs,
        batch=0,
        batches=0,
    )
    with database.writing() as session:
        session.add(job)
        session.flush()
        session.refresh(job)
    return job


def claim(
    database: Database, claimant: Claimant, lease_seconds: float, held: Capacity = ONE
) -> Lease | None:
    """Take the best runnable job, or None where there is none.

    Highest priority first, then the oldest. Two claimants never get the same job: PostgreSQL
    skips rows that another claim has locked, SQLite lets one writer in at a time.

    A job for several devices that the claimant could give it, but does not hold, keeps it from all
    jobs behind that one: otherwise small ones, which need but one free slot, would always be first.

    Args:
        database: where the jobs are.
        claimant: who asks.
        lease_seconds: how long the job is held without a renewal.
        held: what the claimant can give the job now.
    """
    token = secrets.token_hex(16)
    try:
        with database.writing() as session:
            return _claim(session, claimant, token, lease_seconds, held)
    except DatabaseUnavailable:
        # the commit may have gone through before the answer was lost
        with database.reading() as session:
            job = session.scalar(select(Job).where(Job.lease_token == token))
            return _lease(job, token, claimant) if job else None


def next_requirements(database: Database, claimant: Claimant) -> Requirements | None:
    """What the best job needs that a claim could find, where enough is held; None without one."""
    with database.reading() as session:
        best = session.execute(_runnable(claimant, Job.device, Job.devices).limit(1)).one_or_none()
    return Requirements(*best) if best else None


@dataclass(frozen=True, slots=True)
class PollResult:
    """What there is to do, as a worker sees it."""

    due_in_s: float | None
    """Seconds until a claim would find a job: 0 or less for now, None where none waits."""

    are_leases_over: bool
    """Whether a running job's lease has run out: for `reap`."""

    are_jobs_unnotified: bool
    """Whether nobody rang lately for a job that is due: for `unnotified_queues`."""


def poll(database: Database, claimant: Claimant) -> PollResult:
    """Look once, by one statement, for everything that a worker may have to do."""
    with database.reading() as session:
        due_at, expired, unheard, moment = session.execute(
            select(
                select(func.min(Job.available_at)).where(*_suits(claimant)).scalar_subquery(),
                select(Job.id).where(Job.state == "running", Job.lease_expires_at < now()).exists(),
                select(Job.id).where(*_unnotified(claimant.queues)).exists(),
                now(),
            )
        ).one()
    due_in_s = (due_at - moment).total_seconds() if due_at else None
    return PollResult(due_in_s, bool(expired), bool(unheard))


def _unnotified(queues: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        Job.state == "queued",
        Job.queue.in_(queues),
        Job.available_at <= now(),
        Job.notified_at < now(-NOTIFY_AGAIN_S),
    )


def _suits(claimant: Claimant, job: type[Job] = Job) -> tuple[ColumnElement[bool], ...]:
    return (
        job.state == "queued",
        job.queue.in_(claimant.queues),
        job.device.in_(claimant.devices),
        _fits(claimant.max_capacity, job),
    )


def _fits(room: Capacity, job: type[Job] = Job) -> ColumnElement[bool]:
    """`Capacity.holds`, as the database sees it."""
    on_cpus = and_(job.device == "cpu", job.devices <= room.slots)
    return or_(job.devices <= room.devices, on_cpus)


def _runnable(claimant: Claimant, *columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .where(*_suits(claimant), Job.available_at <= now())
        .order_by(Job.priority.desc(), Job.id)
    )


def _is_behind_a_larger(claimant: Claimant, held: Capacity) -> ColumnElement[bool]:
    """Whether a job has to wait for one before it that needs more than what is held."""
    ahead = aliased(Job)
    larger = (
        select(ahead.id)
        .where(*_suits(claimant, ahead), ahead.available_at <= now(), ~_fits(held, ahead))
        .correlate(Job)
    )
    # two, since each is a range of the index: of jobs before the first that fits there are few
    return or_(
        larger.where(ahead.priority > Job.priority).exists(),
        larger.where(ahead.priority == Job.priority, ahead.id < Job.id).exists(),
    )


def _claim(
    session: Session, claimant: Claimant, token: str, lease_seconds: float, held: Capacity
) -> Lease | None:
    # one that is too large is not locked: another claim would skip it, and take what is behind
    best = _runnable(claimant, Job.id).where(_fits(held)).limit(1)
    conditions = [
        Job.id == best.with_for_update(skip_locked=True).scalar_subquery(),
        Job.state.in_(may_become("running")),
    ]
    if held != claimant.max_capacity:
        conditions.append(~_is_behind_a_larger(claimant, held))
    job = session.scalar(
        update(Job)
        .where(*conditions)
        .values(
            state="running",
            attempt=Job.attempt + 1,
            revision=Job.revision + 1,
            worker_id=claimant.worker_id,
            lease_token=token,
            lease_expires_at=now(lease_seconds),
            last_heartbeat_at=now(),
            started_at=func.coalesce(Job.started_at, now()),
            eta_s=None,
            images_per_s=None,
        )
        .returning(Job)
        .execution_options(synchronize_session=False)
    )
    if job is None:
        return None
    session.execute(
        insert(Attempt).values(
            job_id=job.id, number=job.attempt, worker_id=claimant.worker_id, started_at=now()
        )
    )
    return _lease(job, token, claimant)


def _lease(job: Job, token: str, claimant: Claimant) -> Lease:
    return Lease(job.id, job.attempt, token, claimant.worker_id, job.spec, job.device, job.devices)


def succeed(
    database: Database,
    lease: Lease,
    weights_sha256: str,
    publications: Sequence[Publication],
    stop_reason: str | None = None,
) -> None:
    """End a run well: its files appear in the same moment as its state."""
    with database.writing() as session:
        guarded_update(
            session,
            lease,
            {
                **_ended("succeeded"),
                "weights_sha256": weights_sha256,
                "stop_reason": stop_reason,
                "eta_s": 0.0,
            },
        )
        for publication in publications:
            session.add(
                Artifact(
                    job_id=lease.job_id,
                    attempt=lease.attempt,
                    epoch=publication.epoch,
                    kind=artifact_kind(publication.format),
                    format=publication.format,
                    filename=publication.filename,
                    size=publication.blob.size,
                    sha256=publication.blob.sha256,
                    created_at=now(),
                )
            )
        snapshots.discard(session, lease.job_id)
        _close_attempt(session, lease.job_id, lease.attempt, "succeeded", None)


def end(
    database: Database, lease: Lease, outcome: Outcome, failure: Failure | None = None
) -> State:
    """End an attempt that did not succeed.

    Returns:
        The state that the job is in now: `queued` where it gets another try.

    Raises:
        LeaseLost: the job is no longer this attempt's to end.
    """
    with database.writing() as session:
        # takes the row's lock before it decides
        guarded_update(session, lease, {})
        job = session.scalars(select(Job).where(Job.id == lease.job_id)).one()
        return _end(session, job, outcome, failure)


def decide(outcome: Outcome, *, desired: Desired, crashes: int, losses: int) -> Move:
    """Say what becomes of a job after an attempt that did not succeed.

    An error in the run's own code fails it at once; a crash has a small budget, a lost worker a
    larger one; draining and pausing are free. A job that somebody wants cancelled or paused is not
    queued again, however its attempt ended.
    """
    if outcome == "cancelled" or (desired == "cancel" and outcome != "failed"):
        return Move("cancelled", crashes, losses)
    again: State = "paused" if desired == "pause" else "queued"
    if outcome in ("drained", "paused"):
        return Move(again, crashes, losses)
    if outcome == "crashed" and crashes + 1 < CRASH_BUDGET:
        return Move(again, crashes + 1, losses, backoff(crashes))
    if outcome == "lost" and losses + 1 < LOSS_BUDGET:
        return Move(again, crashes, losses + 1)
    return Move("failed", crashes + (outcome == "crashed"), losses + (outcome == "lost"))


def backoff(tries: int) -> float:
    """Seconds before the next try: doubling, with jitter so that neighbors spread out."""
    longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0**tries)
    return longest * random.uniform(0.5, 1.0)


def cancel(database: Database, job_id: int, by: str | None = None) -> Job:
    """Ask that a job be cancelled. Asking again, or too late, changes nothing.

    A waiting job is cancelled here; a running one by its worker, when its process is gone.

    Raises:
        NotFound: there is no such job.
    """
    with _locked(database, job_id) as (session, job):
        if job.state in ("queued", "paused"):
            _change(session, job, _ended("cancelled") | _wish("cancel", by))
            snapshots.discard(session, job.id)
        elif job.state == "running" and job.desired != "cancel":
            _change(session, job, _wish("cancel", by))
    return job


def pause(database: Database, job_id: int, by: str | None = None) -> Job:
    """Ask that a job be paused. Asking again changes nothing.

    A queued job is paused here; a running one by its worker, which keeps a snapshot of it.

    Raises:
        NotFound: there is no such job.
        Conflict: it has ended, or is being cancelled.
    """
    with _locked(database, job_id) as (session, job):
        if job.state in FINAL:
            raise Conflict(f"Run {job.id} is {job.state}: there is nothing to pause.")
        if job.desired == "cancel":
            raise Conflict(f"Run {job.id} is being cancelled: it cannot be paused.")
        if job.state == "queued":
            _change(session, job, {"state": "paused"} | _wish("pause", by))
        elif job.desired != "pause":
            _change(session, job, _wish("pause", by))
    return job


def resume(database: Database, job_id: int, by: str | None = None) -> Job:
    """Let a paused job go on: it is queued again. The caller rings.

    A pause that has not taken effect yet is taken back; where none was asked for, nothing changes.

    Raises:
        NotFound: there is no such job.
        Conflict: it has ended, or is being cancelled.
    """
    with _locked(database, job_id) as (session, job):
        if job.state in FINAL:
            hint = " Retry it instead." if job.state == "failed" else ""
            raise Conflict(f"Run {job.id} is {job.state}: it cannot go on.{hint}")
        if job.desired == "cancel":
            raise Conflict(f"Run {job.id} is being cancelled: it cannot go on.")
        if job.state == "paused":
            due = {"available_at": now(), "notified_at": now()}
            _change(session, job, {"state": "queued"} | due | _wish("run", by))
        elif job.desired == "pause":
            _change(session, job, _wish("run", by))
    return job


def retry(
    database: Database, job_id: int, *, from_scratch: bool = False, by: str | None = None
) -> Job:
    """Give a failed job another try, with its whole budget. The caller rings.

    It goes on from its last snapshot, or begins anew where `from_scratch`.

    Raises:
        NotFound: there is no such job.
        Conflict: it has not failed.
    """
    with _locked(database, job_id) as (session, job):
        if job.state != "failed":
            raise Conflict(f"Run {job.id} is {job.state}: only a failed run can be tried again.")
        values = _wish("run", by) | {
            "state": "queued",
            "finished_at": None,
            "available_at": now(),
            "notified_at": now(),
            "crashes": 0,
            "losses": 0,
            **dict.fromkeys(("error_kind", "error_message", "error_traceback")),
        }
        if from_scratch:
            snapshots.discard(session, job.id)
            values["secured_step"] = 0
        _change(session, job, values)
    return job


@contextmanager
def _locked(database: Database, job_id: int) -> Iterator[tuple[Session, Job]]:
    """A job whose row no one else can change; at the end it is read again."""
    if job_id > LARGEST_KEY:
        raise NotFound(f"There is no job {job_id}.")
    with database.writing() as session:
        job = session.scalar(select(Job).where(Job.id == job_id).with_for_update())
        if job is None:
            raise NotFound(f"There is no job {job_id}.")
        yield session, job
        session.refresh(job)


def _wish(desired: Desired, by: str | None) -> dict[str, Any]:
    who = storable(by).strip()[:NAME_LENGTH] if by else None
    return {"desired": desired, "desired_at": now(), "desired_by": who or None}


def reap(database: Database, moment: datetime | None = None) -> list[int]:
    """Take jobs back from workers whose lease had run out at a moment.

    Any worker may do this at any time: the row lock lets one of them act.

    Args:
        database: where to look.
        moment: by the database's clock, when the caller last knew that all was well: what ran out
            later may have done so because nobody could renew it. None: now.

    Returns:
        The ids of the jobs that were taken back.
    """
    with database.writing() as session:
        jobs = session.scalars(
            select(Job)
            .where(Job.state == "running", Job.lease_expires_at < (moment or now()))
            .order_by(Job.id)
            .with_for_update(skip_locked=True)
        ).all()
        for job in jobs:
            reason = "Its worker was not heard from for longer than its lease."
            _end(session, job, "lost", Failure("lost", reason))
        return [job.id for job in jobs]


def unnotified_queues(database: Database, served: Sequence[str]) -> set[str]:
    """Of the queues `served`, those with jobs that are due but for which nobody rang lately.

    They count as rung now.
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


def _end(session: Session, job: Job, outcome: Outcome, failure: Failure | None) -> State:
    """Close the running attempt of a job whose row is locked, and move the job on."""
    move = decide(outcome, desired=job.desired, crashes=job.crashes, losses=job.losses)
    values: dict[str, Any] = {"crashes": move.crashes, "losses": move.losses}
    if move.state in ("queued", "paused"):
        values |= {
            "state": move.state,
            "available_at": now(move.delay_s),
            # a retry that backs off is rung for when it is due, by whoever looks next
            "notified_at": now(move.delay_s - NOTIFY_AGAIN_S),
            **_UNLEASED,
        }
    else:
        values |= _ended(move.state)
    if move.state == "cancelled":
        values["desired"] = "cancel"
        snapshots.discard(session, job.id)
    if move.state == "failed" and failure is not None:
        values |= {
            "error_kind": storable(failure.kind)[:KIND_LENGTH],
            "error_message": storable(failure.message),
            "error_traceback": storable(failure.traceback) if failure.traceback else None,
        }
    _close_attempt(
        session,
        job.id,
        job.attempt,
        "cancelled" if move.state == "cancelled" else outcome,
        storable(failure.message) if failure else None,
    )
    _change(session, job, values)
    return move.state


_UNLEASED: dict[str, Any] = {
    "lease_token": None,
    "lease_expires_at": None,
    "eta_s": None,
    "images_per_s": None,
}


def _ended(state: State) -> dict[str, Any]:
    return {
        "state": state,
        "finished_at": now(),
        "lease_token": None,
        "lease_expires_at": None,
        "eta_s": None,
    }


def _change(session: Session, job: Job, values: dict[str, Any]) -> None:
    target = values.get("state")
    allowed: ColumnElement[bool] | None = Job.state.in_(may_become(target)) if target else None
    conditions = [Job.id == job.id] + ([allowed] if allowed is not None else [])
    session.execute(
        update(Job)
        .where(*conditions)
        .values(revision=Job.revision + 1, **values)
        .execution_options(synchronize_session=False)
    )


def _close_attempt(
    session: Session, job_id: int, number: int, outcome: Outcome, reason: str | None
) -> None:
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.number == number)
        .values(finished_at=now(), outcome=outcome, reason=reason)
        .execution_options(synchronize_session=False)
    )
