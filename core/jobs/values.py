"""The values by which lists are sorted and grouped: a row each, beside the job that has them.

Those of the spec come with the submit. How long a run took, and how fast it was, come with its end
and go with a retry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from core.database.models import VALUE_LENGTH, Job, JobProgress, JobValue
from core.spec import facts
from core.spec.spec import Spec

WITHOUT_SEED = "without_seed"
"""What runs have in common that differ in nothing but the seed."""
DURATION = "duration"
"""Seconds from the first start to the end."""
IMAGES_PER_S = "images_per_s"
OF_THE_END = (DURATION, IMAGES_PER_S)


def of_spec(spec: Spec) -> dict[str, float | str]:
    """What a job is submitted with: numbers, and texts as they are kept, by their names."""
    found = facts.values(spec) | {WITHOUT_SEED: facts.without_seed(spec)}
    return {
        name: value[:VALUE_LENGTH] if isinstance(value, str) else value
        for name, value in found.items()
    }


def rows_of_spec(job_id: int, spec: Spec) -> list[dict[str, Any]]:
    """The rows of what a job is submitted with."""
    return [_row(job_id, name, value) for name, value in of_spec(spec).items()]


def _row(job_id: int, name: str, value: float | str) -> dict[str, Any]:
    is_text = isinstance(value, str)
    return {
        "job_id": job_id,
        "name": name,
        "number": 0.0 if is_text else value,
        "text": value if is_text else "",
    }


def write_of_specs(session: Session, specs: Mapping[int, Spec]) -> None:
    """Write down what some jobs are submitted with, by their numbers; on SQLite.

    On PostgreSQL they come with the jobs (`core.jobs.insertion`).
    """
    rows = [
        (job_id, name, 0.0, value) if isinstance(value, str) else (job_id, name, value, "")
        for job_id, spec in specs.items()
        for name, value in of_spec(spec).items()
    ]
    # as the driver takes them: they are forty times as many as the jobs
    session.connection().exec_driver_sql(_INSERT, rows)


_INSERT = "INSERT INTO job_values (job_id, name, number, text) VALUES (?, ?, ?, ?)"


def write_of_end(session: Session, job_id: int) -> None:
    """Write down how long a job took that has just ended, and how fast it was, where it ran."""
    columns = Job.started_at, Job.finished_at, JobProgress.images_per_s
    row = session.execute(
        select(*columns).join(JobProgress, JobProgress.job_id == Job.id).where(Job.id == job_id)
    ).one()
    if row.started_at is None or row.finished_at is None:
        return
    found: Mapping[str, float | None] = {
        DURATION: (row.finished_at - row.started_at).total_seconds(),
        IMAGES_PER_S: row.images_per_s,
    }
    rows = [_row(job_id, name, value) for name, value in found.items() if value is not None]
    forget_end(session, job_id)
    session.connection().execute(insert(JobValue), rows)


def forget_end(session: Session, job_id: int) -> None:
    """Take back what was written down of an end that is none any more."""
    session.execute(
        delete(JobValue)
        .where(JobValue.job_id == job_id, JobValue.name.in_(OF_THE_END))
        .execution_options(synchronize_session=False)
    )
