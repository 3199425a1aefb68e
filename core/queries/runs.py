"""Questions about one run: its measurements, log, attempts, artifacts and history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, func, select, tuple_
from sqlalchemy.orm import Session

from core.database.models import (
    LARGEST_KEY,
    Artifact,
    Attempt,
    Clone,
    Epoch,
    Evaluation,
    InitialWeights,
    Job,
    JobEvent,
    LogLine,
    MetricSegment,
    ResourceSample,
    Worker,
)
from core.database.search import holds_in_any_case
from core.errors import NotFound
from core.messages import message
from core.metrics import curves
from core.metrics.samples import MetricSample
from core.queries.clauses import is_seen
from core.queries.jobs import job
from core.queries.pages import DEFAULT_LIMIT, Page, checked_limit, key_of, page_of, rows_of_job


def epochs(
    session: Session,
    job_id: int,
    limit: int = DEFAULT_LIMIT,
    cursor: str = "",
    *,
    newest_first: bool = False,
) -> Page[Epoch]:
    """A page of a job's epochs, first to last or last to first."""
    key = Epoch.epoch
    return rows_of_job(session, Epoch, job_id, limit, cursor, key, newest_first=newest_first)


def best_epoch(session: Session, job_id: int) -> dict[str, Any] | None:
    """The first epoch with the lowest validation loss, as `epoch` and `validation_loss`.

    Returns:
        None where no epoch has one: then a run has no best epoch.
    """
    loss = Epoch.validation_loss
    query = select(Epoch.epoch, loss).where(Epoch.job_id == job_id, loss.is_not(None))
    row = session.execute(query.order_by(loss, Epoch.epoch).limit(1)).mappings().one_or_none()
    return dict(row) if row else None


def metrics(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[MetricSample]:
    """A page of a job's metric samples, first to last."""
    step = key_of(cursor, 1)[0] if cursor else 0
    rows = curves.after(session, job_id, step, checked_limit(limit) + 1)
    return page_of(rows, limit, lambda row: (row.step,))


def resources(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[ResourceSample]:
    """A page of a job's resource samples, first to last."""
    return rows_of_job(
        session,
        ResourceSample,
        job_id,
        limit,
        cursor,
        ResourceSample.attempt,
        ResourceSample.number,
    )


def logs(
    session: Session,
    job_id: int,
    limit: int = DEFAULT_LIMIT,
    cursor: str = "",
    *,
    newest_first: bool = False,
    text: str = "",
    levels: Sequence[str] = (),
) -> Page[LogLine]:
    """A page of a job's log, first to last or last to first.

    Args:
        session: where to read.
        job_id: of which job.
        limit: how many lines at most.
        cursor: where the page begins.
        newest_first: whether it is read from its end.
        text: what each line has in it, in capital or small letters; empty: anything.
        levels: of which each line has one; none: any.
    """
    conditions: list[Any] = [holds_in_any_case(LogLine.text, text)] if text else []
    if levels:
        conditions.append(LogLine.level.in_(levels))
    keys = LogLine.attempt, LogLine.number
    only = and_(*conditions) if conditions else None
    return rows_of_job(
        session, LogLine, job_id, limit, cursor, *keys, only=only, newest_first=newest_first
    )


def attempts(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[tuple[Attempt, str]]:
    """A page of a job's attempts with their workers' names, first to last."""
    query = (
        select(Attempt, Worker.name)
        .join(Worker, Attempt.worker_id == Worker.id)
        .where(Attempt.job_id == job_id)
        .order_by(Attempt.number)
    )
    if cursor:
        query = query.where(tuple_(Attempt.number) > tuple_(*key_of(cursor, 1)))
    rows = [
        (attempt, name) for attempt, name in session.execute(query.limit(checked_limit(limit) + 1))
    ]
    return page_of(rows, limit, lambda row: (row[0].number,))


def artifacts(
    session: Session,
    job_id: int,
    limit: int = DEFAULT_LIMIT,
    cursor: str = "",
    kinds: Sequence[str] = (),
) -> Page[Artifact]:
    """A page of a job's published files; of some kinds alone, where they are named."""
    only = Artifact.kind.in_(kinds) if kinds else None
    return rows_of_job(session, Artifact, job_id, limit, cursor, Artifact.id, only=only)


def artifact(session: Session, artifact_id: int) -> Artifact:
    """One published file.

    Raises:
        NotFound: there is no such artifact.
    """
    found = session.get(Artifact, artifact_id) if artifact_id <= LARGEST_KEY else None
    if found is None:
        raise NotFound(message("artifact.unknown", artifact_id=artifact_id))
    return found


def newest_artifact(session: Session, job_id: int, format_: str) -> Artifact | None:
    """The file of a format that a job published last; None where it has none."""
    return session.scalar(
        select(Artifact)
        .where(Artifact.job_id == job_id, Artifact.format == format_)
        .order_by(Artifact.id.desc())
        .limit(1)
    )


def evaluation(session: Session, job_id: int) -> Evaluation:
    """What a job's published weights do on the test set.

    Raises:
        NotFound: there is no such job, or it has not been evaluated.
    """
    row, _ = job(session, job_id)
    found = session.get(Evaluation, job_id)
    if found is None:
        raise NotFound(message("run.has_no_evaluation", job_id=job_id, state=row.state))
    return found


def evaluations(session: Session, job_ids: Sequence[int]) -> dict[int, Evaluation]:
    """The evaluations of some jobs by their numbers; a few hundred jobs at most."""
    found = session.scalars(select(Evaluation).where(Evaluation.job_id.in_(job_ids)))
    return {each.job_id: each for each in found}


def evaluated_attempt(session: Session, job_id: int) -> int:
    """The attempt that made a job's evaluation, or 0 where there is none; reads no content."""
    return session.scalar(select(Evaluation.attempt).where(Evaluation.job_id == job_id)) or 0


def events(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, cursor: str = ""
) -> Page[JobEvent]:
    """A page of a job's history, first to last."""
    return rows_of_job(session, JobEvent, job_id, limit, cursor, JobEvent.id)


def newest_keys(session: Session, job_id: int) -> dict[str, int]:
    """The key of the newest row of each kind that a job has; 0 where it has none.

    Returns:
        `epoch`, `step` (of the metrics), `log_attempt` and `log_line`, `artifact`, `event`, and
        `evaluated`, the attempt that made the evaluation.
    """
    numbers = {
        "epoch": _newest(Epoch.epoch, Epoch.job_id, job_id),
        "step": select(MetricSegment.last_step)
        .where(MetricSegment.job_id == job_id)
        .order_by(MetricSegment.first_step.desc())
        .limit(1)
        .scalar_subquery(),
        "artifact": _newest(Artifact.id, Artifact.job_id, job_id),
        "event": _newest(JobEvent.id, JobEvent.job_id, job_id),
        "evaluated": _newest(Evaluation.attempt, Evaluation.job_id, job_id),
    }
    row = session.execute(select(*(each.label(name) for name, each in numbers.items()))).one()
    line = session.execute(
        select(LogLine.attempt, LogLine.number)
        .where(LogLine.job_id == job_id)
        .order_by(LogLine.attempt.desc(), LogLine.number.desc())
        .limit(1)
    ).one_or_none()
    found = {name: getattr(row, name) or 0 for name in numbers}
    return found | {"log_attempt": line[0] if line else 0, "log_line": line[1] if line else 0}


def _newest(key: Any, of_job: Any, job_id: int) -> Any:
    return select(func.max(key)).where(of_job == job_id).scalar_subquery()


def parent(session: Session, job_id: int, seen_by: str | None = None) -> Job | None:
    """The job that a job began as a copy of; None: none that is there for somebody, or purged."""
    query = select(Job).join(Clone, Clone.parent_id == Job.id)
    return session.scalar(query.where(Clone.job_id == job_id, *is_seen(seen_by)))


def children(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, seen_by: str | None = None
) -> Sequence[Job]:
    """The newest jobs that began as copies of a job and were not deleted, for somebody."""
    query = select(Job).join(Clone, Clone.job_id == Job.id)
    query = query.where(Clone.parent_id == job_id, Job.deleted_at.is_(None), *is_seen(seen_by))
    return session.scalars(query.order_by(Clone.job_id.desc()).limit(checked_limit(limit))).all()


def weights_source(session: Session, job_id: int, seen_by: str | None = None) -> Job | None:
    """The job with whose weights a job begins; None: none that is there for somebody, or purged."""
    query = select(Job).join(InitialWeights, InitialWeights.source_id == Job.id)
    return session.scalar(query.where(InitialWeights.job_id == job_id, *is_seen(seen_by)))


def weights_users(
    session: Session, job_id: int, limit: int = DEFAULT_LIMIT, seen_by: str | None = None
) -> Sequence[Job]:
    """The newest jobs that begin with the weights of a job and were not deleted, for somebody."""
    query = select(Job).join(InitialWeights, InitialWeights.job_id == Job.id)
    query = query.where(
        InitialWeights.source_id == job_id, Job.deleted_at.is_(None), *is_seen(seen_by)
    )
    newest = query.order_by(InitialWeights.job_id.desc())
    return session.scalars(newest.limit(checked_limit(limit))).all()


def milestones(session: Session, job_id: int, limit: int) -> Sequence[tuple[JobEvent, int]]:
    """The newest events of a job's history, first to last, the snapshots of an attempt as one.

    Returns:
        Events with how many each stands for: the last snapshot of an attempt for all of its own.
    """
    of_job = JobEvent.job_id == job_id
    counts = (
        select(func.max(JobEvent.id).label("newest"), func.count().label("count"))
        .where(of_job, JobEvent.kind == "snapshot")
        .group_by(JobEvent.attempt)
        .subquery()
    )
    folded = select(JobEvent, counts.c.count).join(counts, JobEvent.id == counts.c.newest)
    others = select(JobEvent).where(of_job, JobEvent.kind != "snapshot")
    newest_first = JobEvent.id.desc()
    found = [
        (event, count)
        for event, count in session.execute(folded.order_by(newest_first).limit(limit))
    ]
    found += [(event, 1) for event in session.scalars(others.order_by(newest_first).limit(limit))]
    return sorted(found, key=lambda row: row[0].id)[-limit:]
