"""Runs and tags that hold a text, for the search over everything. Each question is bounded.

Names are looked for in the index that lists use, numbers and tags by their keys. Few runs have
notes: an index has those alone, and of them the newest are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import literal_column, select
from sqlalchemy.orm import Session

from core.database.hints import in_passing
from core.database.models import LARGEST_KEY, Job, JobTag, Worker
from core.queries.clauses import is_seen
from core.queries.jobs import jobs, jobs_by_id
from core.queries.selection import Selection
from core.workers import live

NOTED = 300
"""Runs with notes that are looked at, the newest."""
TAGS = 2000
"""Tags that are looked at: in the order of some locales, others stand between those that fit."""

NEWEST_TAGGED = 300
"""Tags of the newest runs that are looked at, each run's own."""
TAGS_WITH_RUNS = 3
"""Tags whose runs are found by them."""


@dataclass(frozen=True, slots=True)
class Found:
    """What holds a text."""

    runs: Sequence[Job]
    """The one of that number first, then by name, by tag and by notes; each once."""
    tags: Sequence[str]
    workers: Sequence[Worker]
    """Live ones."""


def search(session: Session, text: str, limit: int, seen_by: str | None = None) -> Found:
    """Look for a text, in capital or small letters; at most so many of each kind.

    `seen_by` is the name of whoever looks, where private runs of others are not there.
    """
    found: dict[int, Job] = {}
    tags = _tags(session, text, limit, seen_by)
    for job in (
        *_of_number(session, text, seen_by),
        *_of(session, Selection(text=text, seen_by=seen_by), limit),
        *(
            job
            for tag in tags[:TAGS_WITH_RUNS]
            for job in _of(session, Selection(tag=tag, seen_by=seen_by), limit)
        ),
        *_of_notes(session, text.casefold(), limit, seen_by),
    ):
        found.setdefault(job.id, job)
    folded = text.casefold()
    return Found(
        list(found.values())[:limit],
        tags,
        [each for each in live(session) if folded in each.name.casefold()][:limit],
    )


def _of(session: Session, selection: Selection, limit: int) -> list[Job]:
    return [job for job, _ in jobs(session, selection, limit).items]


def _of_number(session: Session, text: str, seen_by: str | None) -> Sequence[Job]:
    number = text.removeprefix("#")
    if not (number.isascii() and number.isdigit() and int(number) <= LARGEST_KEY):
        return []
    found = jobs_by_id(session, [int(number)], seen_by)
    return [job for job in found if job.deleted_at is None]


def _of_notes(session: Session, folded: str, limit: int, seen_by: str | None) -> Sequence[Job]:
    # as the index has it: both databases compare the texts of conditions
    has_notes = Job.notes != literal_column("''")
    rows = session.execute(
        select(Job.id, Job.notes)
        .where(has_notes, in_passing(Job.deleted_at).is_(None))
        .order_by(Job.id.desc())
        .limit(NOTED)
    )
    ids = [row.id for row in rows if folded in row.notes.casefold()]
    return sorted(jobs_by_id(session, ids, seen_by), key=lambda job: -job.id)[:limit]


def _tags(session: Session, text: str, limit: int, seen_by: str | None) -> list[str]:
    """Tags that begin with a text: those that follow it in the order of their key."""
    following = select(JobTag.tag).where(JobTag.tag >= text)
    if seen_by is not None:  # a tag of private runs alone says something of them
        following = following.join(Job, Job.id == JobTag.job_id).where(*is_seen(seen_by))
    rows = session.scalars(following.distinct().order_by(JobTag.tag).limit(TAGS))
    return [tag for tag in rows if tag.startswith(text)][:limit]


def newest_tags(session: Session, seen_by: str | None = None) -> list[str]:
    """The tags of the newest runs that have some, in their order: to choose from."""
    newest = select(JobTag.tag).order_by(JobTag.job_id.desc()).limit(NEWEST_TAGGED)
    if seen_by is not None:
        newest = newest.join(Job, Job.id == JobTag.job_id).where(*is_seen(seen_by))
    return sorted(set(session.scalars(newest)))
