"""How attempts end, and what becomes of their jobs: success, budgets, lost workers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, contains_eager

from core.database.clock import now
from core.database.dialects import is_postgresql
from core.database.engine import Database, storable
from core.database.models import (
    KIND_LENGTH,
    MEASURED,
    Artifact,
    Epoch,
    Job,
    JobProgress,
    artifact_kind,
)
from core.jobs import blame, events, lanes, preemption, rests, sharing, snapshots
from core.jobs import values as listed
from core.jobs.actors import REAPER, Actor
from core.jobs.capacity import EVERYTHING, requirements
from core.jobs.lease import Lease, guarded_update
from core.jobs.moves import UNLEASED, change, close_attempt, ended
from core.jobs.rests import Fault
from core.messages import Message, message
from core.states import Desired, EventKind, Outcome, State
from core.storage.blobs import Blob

CRASH_BUDGET = 3
LOSS_BUDGET = 10
REAPED_AT_ONCE = 100
"""In one transaction: it holds the lock of the history."""
HOUSE_LOCK = 729
"""The advisory lock of the housekeeping; the history holds 728, migrations 727."""
FIRST_BACKOFF_S = 2.0
LONGEST_BACKOFF_S = 300.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run did not succeed."""

    kind: str
    reason: Message
    traceback: str | None = None
    work: str | None = None
    """The kind of work that its worker could not do, where that is the fault."""


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


def succeed(
    database: Database,
    lease: Lease,
    weights_sha256: str,
    publications: Sequence[Publication],
    stop_reason: Message | None = None,
) -> None:
    """End a run well: its files appear in the same moment as its state.

    From then on the run's measurements are those of the weights in its files.

    Raises:
        LeaseLost: the job is no longer this attempt's to end.
    """
    with database.writing() as session:
        guarded_update(
            session,
            lease,
            {
                **ended("succeeded"),
                **_published(session, lease.job_id, publications),
                "weights_sha256": weights_sha256,
                "stop_reason": stop_reason,
            },
            UNLEASED | {"eta_s": 0.0},
        )
        listed.write_of_end(session, lease.job_id)
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
        close_attempt(session, lease.job_id, lease.attempt, "succeeded", None)
        payload: dict[str, Any] = {"state": "succeeded", "weights_sha256": weights_sha256}
        if stop_reason is not None:
            payload["reason"] = stop_reason
        events.append(session, lease.job_id, lease.actor, "finished", lease.attempt, payload)
        sharing.end(session, lease.job_id)


def _published(
    session: Session, job_id: int, publications: Sequence[Publication]
) -> dict[str, Any]:
    """The epoch that the files of a run are of, and its measurements, as columns."""
    if not publications:
        return {}
    number = publications[0].epoch
    # whoever holds the lease alone writes epochs: the guard that follows says whether that is so
    epoch = session.get(Epoch, (job_id, number))
    measured = {name: getattr(epoch, name) for name in MEASURED} if epoch else {}
    return {"published_epoch": number} | measured


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
        # the row is locked before it is decided. It alone, and so that rows which refer to it can
        # be written: a flush of whoever holds the job now may wait for neither
        locked = select(Job).where(Job.id == lease.job_id).with_for_update(of=Job, key_share=True)
        job = session.scalars(locked).one_or_none()
        wanted = guarded_update(session, lease, {}, {})
        assert job is not None  # a job that was purged has no lease either
        verdict = _rest(session, job, failure) if outcome == "worker_fault" else None
        if verdict and verdict.blame and failure:
            failure = replace(failure, reason=verdict.blame)
        if outcome == "paused" and wanted == "yield":
            reason = preemption.reason_of(session, lease.job_id, lease.attempt)
            failure = Failure("yielded", reason) if reason else None
        return _end(session, job, lease.actor, outcome, failure, verdict)


def reap(database: Database, lease_seconds: float, moment: datetime | None = None) -> list[int]:
    """Take jobs back from workers whose lease had run out at a moment, some at a time.

    Anybody may do this at any time: one of them acts.

    Args:
        database: where to look.
        lease_seconds: how long a lease is, for the words.
        moment: by the database's clock, when the caller last knew that all was well: what ran out
            later may have done so because nobody could renew it. None: now.

    Returns:
        The ids of the jobs that were taken back.
    """
    is_over = JobProgress.lease_expires_at < (moment or now())
    with database.writing() as session:
        if not is_alone(session):
            return []
        return _take_back(session, is_over, message("worker.lost", lease_s=lease_seconds))


def is_alone(session: Session) -> bool:
    """Whether no other process keeps house until the end of the transaction."""
    if not is_postgresql(session):
        return True  # one writes at a time
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(HOUSE_LOCK))))


def take_back(session: Session, worker_id: int) -> list[int]:
    """Take back what a worker held that has ended, beyond doubt, and its trainers with it.

    It costs a run what any lost worker does: it may have been the run that ended its worker.

    Returns:
        The ids of the jobs.
    """
    return _take_back(session, Job.worker_id == worker_id, message("worker.ended"))


def _take_back(session: Session, which: ColumnElement[bool], reason: Message) -> list[int]:
    jobs = session.scalars(
        select(Job)
        .join(Job.progress)
        .options(contains_eager(Job.progress))
        .where(lanes.IS_RUNNING, which)
        .order_by(Job.id)
        .limit(REAPED_AT_ONCE)
        .with_for_update(skip_locked=True, key_share=True)
    ).all()
    for job in jobs:
        _end(session, job, REAPER, "lost", Failure("lost", reason))
    return [job.id for job in jobs]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whose fault it was that a worker could not do its work."""

    blame: Message | None = None
    """Why it is the run's after all; None: it is the worker's."""
    delay_s: float = 0.0
    """Seconds until the run is tried again: where it may be its own fault, others come first."""


def _rest(session: Session, job: Job, failure: Failure | None) -> Verdict:
    """Let the worker of an attempt rest from what it could not do."""
    assert failure is not None
    assert failure.work is not None
    assert job.worker_id is not None
    fault = Fault(failure.work, failure.kind, failure.reason, job.id)
    names = blame.same_faults(session, job, fault)
    blamed = blame.blamed(session, job, fault, names)
    rest_s = rests.begin(session, job.worker_id, fault, is_tried_at_once=blamed is not None)
    # on another worker it is tried at once
    may_be_its_own = fault.work == EVERYTHING and names.count(names[0]) > 1
    return Verdict(blamed, min(LONGEST_BACKOFF_S, 1.25 * rest_s) if may_be_its_own else 0.0)


def decide(
    outcome: Outcome,
    *,
    desired: Desired,
    crashes: int,
    losses: int,
    verdict: Verdict | None = None,
) -> Move:
    """Say what becomes of a job after an attempt that did not succeed.

    An error in the run's own code fails it at once; a crash has a small budget, a lost worker a
    larger one; draining, pausing and the faults of workers are free. A job that somebody wants
    cancelled or paused is not queued again, however its attempt ended.
    """
    if outcome == "cancelled" or (desired == "cancel" and outcome != "failed"):
        return Move("cancelled", crashes, losses)
    again: State = "paused" if desired == "pause" else "queued"
    if outcome in ("drained", "paused"):
        return Move(again, crashes, losses)
    if outcome == "worker_fault" and verdict and not verdict.blame:
        return Move(again, crashes, losses, verdict.delay_s)
    if outcome == "crashed" and crashes + 1 < CRASH_BUDGET:
        return Move(again, crashes + 1, losses, backoff(crashes))
    if outcome == "lost" and losses + 1 < LOSS_BUDGET:
        return Move(again, crashes, losses + 1)
    return Move("failed", crashes + (outcome == "crashed"), losses + (outcome == "lost"))


def backoff(tries: int) -> float:
    """Seconds before the next try: doubling, with jitter so that neighbors spread out."""
    longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0**tries)
    return longest * random.uniform(0.5, 1.0)


def _place(failure: Failure | None) -> dict[str, Any]:
    """Where a run diverged, as columns: the last metric sample before may be many batches away."""
    if failure is None or failure.reason.code != "run.diverged":
        return {}
    return {name: failure.reason.params[name] for name in ("epoch", "batch")}


def _end(
    session: Session,
    job: Job,
    actor: Actor,
    outcome: Outcome,
    failure: Failure | None,
    verdict: Verdict | None = None,
) -> State:
    """Close the running attempt of a job whose row is locked, and move the job on."""
    move = decide(
        outcome, desired=job.desired, crashes=job.crashes, losses=job.losses, verdict=verdict
    )
    values: dict[str, Any] = {"crashes": move.crashes, "losses": move.losses}
    of_progress = UNLEASED | _place(failure)
    if move.state in ("queued", "paused"):
        values |= {
            "state": move.state,
            "available_at": now(move.delay_s),
            # it may have been pinned meanwhile
            "lane_id": lanes.find(session, job.queue, requirements(job), sharing.owner_of(job)),
        }
        of_progress |= {"images_per_s": None}
    else:
        values |= ended(move.state)
    if move.state == "cancelled":
        values["desired"] = "cancel"
        snapshots.discard(session, job.id)
    if move.state == "failed" and failure is not None:
        values |= {
            "error_kind": storable(failure.kind)[:KIND_LENGTH],
            "error_message": failure.reason,
            "error_traceback": storable(failure.traceback) if failure.traceback else None,
        }
    close_attempt(
        session,
        job.id,
        job.attempt,
        "cancelled" if move.state == "cancelled" else outcome,
        failure.reason if failure else None,
    )
    change(session, job, values, of_progress)
    if "finished_at" in values:
        listed.write_of_end(session, job.id)
    _append_events(session, job, actor, outcome, move.state, failure)
    sharing.end(session, job.id)
    return move.state


_EVENTS: dict[Outcome, EventKind] = {
    "crashed": "crashed",
    "lost": "lost",
    "drained": "drained",
    "paused": "paused",
    "worker_fault": "worker_fault",
}


def _append_events(
    session: Session,
    job: Job,
    actor: Actor,
    outcome: Outcome,
    state: State,
    failure: Failure | None,
) -> None:
    """Append what happened to a job's history: how its attempt ended, and a final state."""
    reason = {"reason": failure.reason} if failure else {}
    if state in ("queued", "paused"):
        moved = reason | {"state": state}
        events.append(session, job.id, actor, _EVENTS[outcome], job.attempt, moved)
        return
    if outcome in ("crashed", "lost", "worker_fault"):
        events.append(session, job.id, actor, _EVENTS[outcome], job.attempt, reason)
    kind: EventKind = "failed" if state == "failed" else "cancelled"
    events.append(session, job.id, actor, kind, job.attempt, reason | {"state": state})
