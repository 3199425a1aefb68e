"""The values by which lists are sorted and grouped: a row each, beside the job that has them.

Those of the spec come with the submit. How long a run took, and how fast it was, come with its end
and go with a retry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Double,
    Insert,
    Table,
    Text,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.orm import Session

from core.database.dialects import is_postgresql
from core.database.models import VALUE_LENGTH, Job, JobProgress, JobValue
from core.spec import facts
from core.spec.spec import Spec

WITHOUT_SEED = "without_seed"
"""What runs have in common that differ in nothing but the seed."""
DURATION = "duration"
"""Seconds from the first start to the end."""
IMAGES_PER_S = "images_per_s"
OF_THE_END = (DURATION, IMAGES_PER_S)


def rows_of_spec(job_id: int, spec: Spec) -> list[dict[str, Any]]:
    """The rows of what a job is submitted with."""
    found = facts.values(spec) | {WITHOUT_SEED: facts.without_seed(spec)}
    return [_row(job_id, name, value) for name, value in found.items()]


def _row(job_id: int, name: str, value: float | str) -> dict[str, Any]:
    is_text = isinstance(value, str)
    return {
        "job_id": job_id,
        "name": name,
        "number": 0.0 if is_text else value,
        "text": str(value)[:VALUE_LENGTH] if is_text else "",
    }


def write_of_specs(session: Session, specs: Mapping[int, Spec]) -> None:
    """Write down what some jobs are submitted with, by their numbers."""
    _write(session, [row for job_id, spec in specs.items() for row in rows_of_spec(job_id, spec)])


def _write(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows: on PostgreSQL by one statement, however many, that is given a list a column."""
    connection = session.connection()
    if not is_postgresql(session):
        connection.execute(insert(_TABLE), rows)
        return
    connection.execute(_INSERT_AT_ONCE, {name: [row[name] for row in rows] for name in _TYPES})


def _insert_at_once() -> Insert:
    """Made once: a row for each place of the lists, which are as long as each other."""
    lists = (bindparam(name, type_=ARRAY(of)) for name, of in _TYPES.items())
    columns = (column(name, of) for name, of in _TYPES.items())
    rows = func.unnest(*lists).table_valued(*columns).render_derived()
    return insert(_TABLE).from_select(list(_TYPES), select(*(rows.c[name] for name in _TYPES)))


_TABLE = cast("Table", JobValue.__table__)
_TYPES: dict[str, Any] = {"job_id": BigInteger, "name": Text, "number": Double, "text": Text}
_INSERT_AT_ONCE = _insert_at_once()


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
    _write(session, rows)


def forget_end(session: Session, job_id: int) -> None:
    """Take back what was written down of an end that is none any more."""
    session.execute(
        delete(JobValue)
        .where(JobValue.job_id == job_id, JobValue.name.in_(OF_THE_END))
        .execution_options(synchronize_session=False)
    )
