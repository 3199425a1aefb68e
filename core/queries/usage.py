"""Questions about space: what takes how much, by kind and by run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, cast, func, literal, select, text, union, union_all
from sqlalchemy.orm import Session

from core.database.dialects import is_postgresql
from core.database.models import (
    Artifact,
    DerivedFile,
    Evaluation,
    InitialWeights,
    Job,
    JobEvent,
    LogLine,
    MetricBuckets,
    MetricSegment,
    Preview,
    ResourceSample,
    Snapshot,
    UnnamedBlob,
)
from core.queries.jobs import jobs_by_id

LARGEST = 10
BYTES_OF_RESOURCE_SAMPLE = 100

_TABLES: dict[str, tuple[tuple[Any, Any], ...]] = {
    "logs": ((LogLine, func.length(LogLine.text)),),
    "metrics": (
        (MetricSegment, func.length(MetricSegment.data)),
        (MetricBuckets, func.length(MetricBuckets.data)),
        (ResourceSample, literal(BYTES_OF_RESOURCE_SAMPLE)),
    ),
    "evaluations": ((Evaluation, func.length(cast(Evaluation.content, Text))),),
    "history": ((JobEvent, func.length(cast(JobEvent.payload, Text))),),
    "previews": ((Preview, func.coalesce(func.length(Preview.image), 0)),),
}
"""The kinds that lie in the database: their tables, and the bytes of a row, about."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one kind of thing takes."""

    kind: str
    count: int | None
    """Files or rows; None where they are not counted."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What one run takes."""

    job: Job
    files: int
    """Bytes of its artifacts and snapshots; what it shares with others counts whole."""
    rows: int
    """Bytes of its log and its metric samples in the database, about."""


def by_kind(session: Session) -> list[Usage]:
    """What each kind takes in the blob store and in the database.

    Of a table, PostgreSQL knows the bytes with all its indexes; SQLite adds up its rows.
    """
    return [
        _snapshots(session),
        _artifacts(session),
        _derived(session),
        _unnamed(session),
        *(_table(session, kind) for kind in _TABLES),
        Usage("database", None, _whole(session)),
    ]


def largest_runs(session: Session, seen_by: str | None = None) -> Sequence[RunUsage]:
    """The runs whose files take the most, for somebody, largest first; deleted ones too."""
    parts = [
        select(table.job_id, func.sum(table.size).label("size")).group_by(table.job_id)
        for table in (Artifact, Snapshot)
    ]
    together = union_all(*parts).subquery()
    size = func.sum(together.c.size)
    found = session.execute(
        select(together.c.job_id, size)
        .group_by(together.c.job_id)
        .order_by(size.desc(), together.c.job_id)
        .limit(LARGEST)
    ).all()
    sizes = {job_id: int(total) for job_id, total in found}
    jobs = {job.id: job for job in jobs_by_id(session, list(sizes), seen_by)}
    return [
        RunUsage(jobs[job_id], total, _rows_of(session, job_id))
        for job_id, total in sizes.items()
        if job_id in jobs
    ]


def _snapshots(session: Session) -> Usage:
    query = select(func.count(), func.sum(Snapshot.size))
    count, size = session.execute(query).one()
    return Usage("snapshots", count, int(size or 0))


def _artifacts(session: Session) -> Usage:
    """The files of all runs, and those that others begin with; the same bytes are one blob."""
    begun_with = select(InitialWeights.sha256, InitialWeights.size)
    blobs = union(select(Artifact.sha256, Artifact.size), begun_with).subquery()
    size = session.scalar(select(func.sum(blobs.c.size)))
    count = session.scalar(select(func.count()).select_from(Artifact))
    return Usage("artifacts", count, int(size or 0))


def _derived(session: Session) -> Usage:
    blobs = select(DerivedFile.sha256, DerivedFile.size).distinct().subquery()
    count, size = session.execute(select(func.count(blobs.c.sha256), func.sum(blobs.c.size))).one()
    return Usage("derived", count, int(size or 0))


def _unnamed(session: Session) -> Usage:
    count, size = session.execute(select(func.count(), func.sum(UnnamedBlob.size))).one()
    return Usage("unnamed", count, int(size or 0))


def _table(session: Session, kind: str) -> Usage:
    count = size = 0
    for table, bytes_of_row in _TABLES[kind]:
        if is_postgresql(session):
            whole = func.pg_total_relation_size(literal(table.__tablename__))
            size += session.scalar(select(whole)) or 0
        else:
            size += int(session.scalar(select(func.sum(bytes_of_row))) or 0)
        count += session.scalar(select(func.count()).select_from(table)) or 0
    return Usage(kind, count, size)


def _rows_of(session: Session, job_id: int) -> int:
    return sum(
        int(session.scalar(select(func.sum(size)).where(table.job_id == job_id)) or 0)
        for kind in ("logs", "metrics")
        for table, size in _TABLES[kind]
    )


def _whole(session: Session) -> int:
    """The bytes of the whole database."""
    if is_postgresql(session):
        query = "SELECT pg_database_size(current_database())"
    else:
        query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    return int(session.scalar(text(query)) or 0)
