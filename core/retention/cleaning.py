"""Removes what a policy keeps no longer, run by run; or only says what that would be.

Runs are walked by their numbers, some at a time, so a call is short however many there are. Each is
looked at again under its lock before anything of it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Select, delete, exists, func, select, tuple_, update
from sqlalchemy.orm import Session

from core.database.clock import now
from core.database.engine import Database
from core.database.models import (
    Artifact,
    Attempt,
    Job,
    JobTag,
    LogLine,
    Preview,
    Snapshot,
    Worker,
)
from core.errors import Conflict, Forbidden, NotFound
from core.jobs import deletion, events, lanes, sharing, snapshots
from core.jobs.actors import Actor, may
from core.jobs.capacity import Requirements
from core.jobs.moves import UNPINNED, change, locked
from core.messages import message
from core.retention.policy import Policy
from core.spec import facts
from core.states import FINAL

Kind = Literal["snapshots", "artifacts", "logs", "deleted", "workers", "previews"]
KINDS: tuple[Kind, ...] = get_args(Kind)

RUNS_AT_ONCE = 500
ROWS_AT_ONCE = 1000


@dataclass(slots=True)
class Amount:
    """How much of one kind is removed, or would be."""

    runs: int = 0
    count: int = 0
    """Files, lines or rows."""
    size: int = 0
    """Bytes; of text, about."""

    def add(self, runs: int, count: int, size: int) -> None:
        """Count more of it."""
        self.runs, self.count, self.size = self.runs + runs, self.count + count, self.size + size


@dataclass(slots=True)
class Piece:
    """What one call has removed, or would."""

    amounts: dict[Kind, Amount] = field(default_factory=dict)
    next: int | None = None
    """The position of the next call; None: this was the last one."""

    def add(self, kind: Kind, runs: int, count: int, size: int) -> None:
        """Count more of a kind."""
        if count:
            self.amounts.setdefault(kind, Amount()).add(runs, count, size)

    def merge(self, other: Piece) -> None:
        """Count what a further call has removed, and continue from where that did."""
        for kind, more in other.amounts.items():
            self.add(kind, more.runs, more.count, more.size)
        self.next = other.next


def clean(
    database: Database, policy: Policy, actor: Actor, position: int = 0, *, dry_run: bool = False
) -> Piece:
    """Remove what a policy keeps no longer, of some runs.

    Args:
        database: where the runs are.
        policy: what is kept for how long.
        actor: who does it, for the history.
        position: `next` of the last call; 0: from the beginning.
        dry_run: only say what would be removed.

    Raises:
        Forbidden: the actor may not.
    """
    _refuse_unless_allowed(actor)
    piece = Piece()
    if position == 0:
        _clean_rows(database, policy, piece, dry_run=dry_run)
    chosen = [each for each in _OF_RUNS if getattr(policy, f"{each.kind}_s") is not None]
    if not chosen:
        return piece
    with database.reading() as session:
        ids = session.scalars(_some_runs(policy, position)).all()
        found = [
            (each, row.job_id, row.number, row.size)
            for each in chosen
            for row in session.execute(_due(each, policy, ids))
        ]
    for each, job_id, count, size in found:
        if dry_run or _clean_run(database, policy, actor, each, job_id):
            piece.add(each.kind, 1, count, int(size or 0))
    piece.next = ids[-1] if len(ids) == RUNS_AT_ONCE else None
    return piece


def purge_now(database: Database, actor: Actor, *, dry_run: bool = False) -> Piece:
    """Let deleted runs be restored no longer: the next `deletion.purge` removes them.

    Raises:
        Forbidden: the actor may not.
    """
    _refuse_unless_allowed(actor)
    piece = Piece()
    is_deleted = Job.deleted_at.is_not(None)
    with database.reading() as session:
        runs = session.scalar(select(func.count()).select_from(Job).where(is_deleted)) or 0
        size = sum(
            session.scalar(select(func.sum(table.size)).join(Job).where(is_deleted)) or 0
            for table in (Artifact, Snapshot)
        )
    piece.add("deleted", runs, runs, int(size))
    if runs and not dry_run:
        with database.writing() as session:
            session.execute(
                update(Job)
                .where(is_deleted, Job.purge_at > now())
                .values(purge_at=now())
                .execution_options(synchronize_session=False)
            )
    return piece


def _refuse_unless_allowed(actor: Actor) -> None:
    if not may(actor, "clean"):
        raise Forbidden(message("actor.may_not_clean", name=actor.name))


def _clean_snapshots(session: Session, job: Job) -> None:
    """Without a snapshot a run is bound to nothing any more: it starts over anywhere."""
    snapshots.discard(session, job.id)
    device = facts.device(job.spec)
    needs = Requirements(device, job.devices, dataset=job.dataset)
    lane = lanes.find(session, job.queue, needs, sharing.owner_of(job))
    change(session, job, {"secured_step": 0, "device": device, "lane_id": lane, **UNPINNED})


def _clean_artifacts(session: Session, job: Job) -> None:
    deletion.forget_files(session, job.id, Artifact)
    change(session, job, {})


def _clean_logs(session: Session, job: Job) -> None:
    key = (LogLine.attempt, LogLine.number)
    first = select(*key).where(LogLine.job_id == job.id).order_by(*key).limit(ROWS_AT_ONCE)
    last = session.execute(first).all()[-1]
    session.execute(
        delete(LogLine)
        .where(LogLine.job_id == job.id, tuple_(*key) <= tuple_(*last))
        .execution_options(synchronize_session=False)
    )
    change(session, job, {})


@dataclass(frozen=True, slots=True)
class _OfRuns:
    """A kind of what runs leave behind."""

    kind: Kind
    table: Any
    size: Any
    states: Sequence[str]
    """The states of a run in which it may be removed."""
    remove: Callable[[Session, Job], None]
    """Removes it from a run that is locked, or a part of it."""
    only: ColumnElement[bool] | None = None


_ENDED = sorted(FINAL)
_OF_RUNS = (
    _OfRuns(
        "snapshots",
        Snapshot,
        Snapshot.size,
        ("failed", "paused"),
        _clean_snapshots,
        Snapshot.discarded_at.is_(None),
    ),
    _OfRuns("artifacts", Artifact, Artifact.size, _ENDED, _clean_artifacts),
    _OfRuns("logs", LogLine, func.length(LogLine.text), _ENDED, _clean_logs),
)


def _some_runs(policy: Policy, position: int) -> Select[int]:
    query = select(Job.id).where(Job.id > position, Job.deleted_at.is_(None))
    if policy.keep_tag:
        has_tag = JobTag.job_id == Job.id, JobTag.tag == policy.keep_tag
        query = query.where(~exists(select(JobTag.job_id).where(*has_tag)))
    return query.order_by(Job.id).limit(RUNS_AT_ONCE)


def _due(each: _OfRuns, policy: Policy, ids: Sequence[int]) -> Select[Any]:
    """What there is to remove of some runs: how many of each, and their size."""
    since = func.coalesce(Job.finished_at, Job.desired_at, Job.created_at)
    query = (
        select(each.table.job_id, func.count().label("number"), func.sum(each.size).label("size"))
        .join(Job, Job.id == each.table.job_id)
        .where(
            each.table.job_id.in_(ids),
            Job.state.in_(each.states),
            Job.deleted_at.is_(None),
            since < now(-getattr(policy, f"{each.kind}_s")),
        )
        .group_by(each.table.job_id)
        .order_by(each.table.job_id)
    )
    return query if each.only is None else query.where(each.only)


def _clean_run(
    database: Database, policy: Policy, actor: Actor, each: _OfRuns, job_id: int
) -> bool:
    """Remove a kind of a run, unless somebody needs it again by now; whether it is removed."""
    has_begun = False
    try:
        while True:
            with locked(database, job_id) as (session, job):
                if session.execute(_due(each, policy, [job_id])).first() is None:
                    return has_begun
                each.remove(session, job)
                if not has_begun:
                    what = {"what": each.kind}
                    events.append(session, job_id, actor, "cleaned", job.attempt, what)
                has_begun = True
    except (NotFound, Conflict):  # it was deleted meanwhile
        return has_begun


def _clean_rows(database: Database, policy: Policy, piece: Piece, *, dry_run: bool) -> None:
    """Remove what belongs to no run: rows of workers, and previews."""
    for kind, key, size, is_old in _of_no_run(policy):
        with database.reading() as session:
            found = session.execute(
                select(func.count().label("number"), func.sum(size).label("size")).where(is_old)
            ).one()
        piece.add(kind, 0, found.number, int(found.size or 0))
        if found.number and not dry_run:
            with database.writing() as session:
                some = select(key).where(is_old).order_by(key).limit(ROWS_AT_ONCE)
                ids = session.scalars(some).all()
                session.execute(
                    delete(key.class_)
                    .where(key.in_(ids), is_old)
                    .execution_options(synchronize_session=False)
                )


def _of_no_run(policy: Policy) -> Iterator[tuple[Kind, Any, Any, ColumnElement[bool]]]:
    """Kind, key, size, and which rows are due."""
    if policy.workers_s is not None:
        is_named = exists(select(Attempt.job_id).where(Attempt.worker_id == Worker.id))
        is_last = exists(select(Job.id).where(Job.worker_id == Worker.id))
        ended_at = func.coalesce(Worker.stopped_at, Worker.lost_at)
        is_drained = Worker.desired == "drain"  # whoever starts by its name is drained too
        is_due = (ended_at < now(-policy.workers_s)) & ~is_named & ~is_last & ~is_drained
        yield "workers", Worker.id, 0, is_due
    if policy.previews_s is not None:
        size = func.coalesce(func.length(Preview.image), 0)
        yield "previews", Preview.key, size, Preview.asked_at < now(-policy.previews_s)
