"""Runs that differ in nothing but their seeds, and where they stand in a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database.models import MEASURED, Job, JobValue
from core.queries.jobs import Selection, conditions_of

WITHOUT_SEED = "without_seed"
MOST_MEMBERS = 1000
"""Runs that are read of all the groups of a page together; the newest."""

Place = tuple[float | str, ...]
"""Where a run stands in a list: of two, the smaller one comes first where the order rises."""


def same_but_seed(session: Session, selection: Selection, jobs: Sequence[Job]) -> list[list[Job]]:
    """The groups of some runs of a list, each with every run of the list that belongs to it.

    Returns:
        The groups in the order of the list, newest member first. A group that has a member before
        the first of these runs is left out: an earlier page has it.
    """
    keys = _keys(session, [job.id for job in jobs])
    members = _members(session, selection, sorted(set(keys.values())))
    by_key: dict[str, dict[int, Job]] = {}
    for job in jobs:
        by_key.setdefault(keys.get(job.id, f"#{job.id}"), {})[job.id] = job
    for job, key in members:
        by_key[key][job.id] = job
    groups = [
        sorted(found.values(), key=lambda job: job.id, reverse=True) for found in by_key.values()
    ]
    places = _places(session, selection, [job for group in groups for job in group])
    first = places.get(jobs[0].id) if jobs else None
    if first is None:
        return groups
    return [group for group in groups if not _is_before(selection, group, places, first)]


def _is_before(
    selection: Selection, group: Sequence[Job], places: dict[int, Place], first: Place
) -> bool:
    of_group = [places[job.id] for job in group if job.id in places]
    return any(place > first if selection.is_falling else place < first for place in of_group)


def _keys(session: Session, job_ids: Sequence[int]) -> dict[int, str]:
    asked = select(JobValue.job_id, JobValue.text).where(JobValue.name == WITHOUT_SEED)
    rows = session.execute(asked.where(JobValue.job_id.in_(job_ids)))
    return {row.job_id: row.text for row in rows}


def _members(session: Session, selection: Selection, keys: Sequence[str]) -> list[tuple[Job, str]]:
    """The runs of a list that have one of some keys, with it."""
    asked = (
        select(Job, JobValue.text)
        .join(JobValue, JobValue.job_id == Job.id)
        .where(JobValue.name == WITHOUT_SEED, JobValue.number == 0, JobValue.text.in_(keys))
        .where(*conditions_of(session, replace(selection, sort="")))
    )
    rows = session.execute(asked.order_by(Job.id.desc()).limit(MOST_MEMBERS))
    return [(row[0], row[1]) for row in rows]


def _places(session: Session, selection: Selection, jobs: Sequence[Job]) -> dict[int, Place]:
    """Where runs stand; those that the list leaves out, for they have no such value, nowhere."""
    value = selection.value
    if not value:
        return {job.id: (job.id,) for job in jobs}
    if value in MEASURED:
        return {
            job.id: (number, job.id) for job in jobs if (number := getattr(job, value)) is not None
        }
    asked = select(JobValue).where(JobValue.name == value)
    rows = session.scalars(asked.where(JobValue.job_id.in_([job.id for job in jobs])))
    return {row.job_id: (row.number, row.text, row.job_id) for row in rows}
