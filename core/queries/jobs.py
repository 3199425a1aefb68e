"""Questions about the list of jobs.

Each page is found by an index that has all that is asked for, before any whole row is read: the
rows are wide. A list is in the order in which the jobs were submitted, newest first, or in that of
a measurement; then it has the jobs that have one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, tuple_, union_all
from sqlalchemy.orm import Session

from core.database.hints import in_passing
from core.database.models import LARGEST_KEY, MEASURED, Job, JobTag, Worker
from core.database.parts import parts
from core.database.search import holds
from core.errors import InvalidInput, NotFound
from core.messages import message
from core.queries.pages import DEFAULT_LIMIT, Page, checked_limit, key_of
from core.states import STATES, State

SORTS: tuple[str, ...] = ("", *(f"{sign}{name}" for name in MEASURED for sign in ("", "-")))
"""Newest first; or by a measurement, from its smallest or, after `-`, from its largest value."""

_JOBS = select(Job, Worker.name).outerjoin(Worker, Job.worker_id == Worker.id)
_RARE = 2000
"""Jobs with a tag that are sorted one by one; of more, the first are looked for in order."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs a list has, and in which order. What is empty chooses nothing."""

    states: Sequence[str] = ()
    dataset: str = ""
    model: str = ""
    preset: str = ""
    owner: str = ""
    tag: str = ""
    text: str = ""
    """A part of the name, in capital or small letters."""
    sort: str = ""
    """One of `SORTS`."""
    deleted: bool = False
    """Whether those that were deleted and can be restored are asked for, and no others."""

    @property
    def equal(self) -> dict[str, str]:
        """The columns that have one value."""
        names = ("dataset", "model", "preset", "owner")
        return {name: value for name in names if (value := getattr(self, name))}

    @property
    def is_by_state(self) -> bool:
        """Whether the state alone decides."""
        return replace(self, states=(), sort="") == EVERYTHING


EVERYTHING = Selection()


def jobs(
    session: Session,
    selection: Selection = EVERYTHING,
    limit: int = DEFAULT_LIMIT,
    cursor: str = "",
) -> Page[tuple[Job, str | None]]:
    """A page of jobs with their workers' names.

    Raises:
        InvalidInput: an unknown state, order, limit or cursor.
    """
    _refuse_unknown(selection)
    count = checked_limit(limit) + 1
    keys = _by_measurement if selection.sort else _by_id
    found = keys(session, selection, count, cursor)
    if not found:
        return Page([], None)
    rows = session.execute(_JOBS.where(Job.id.in_([key.job_id for key in found[:limit]])))
    by_id = {job.id: (job, worker) for job, worker in rows}
    return Page(
        [by_id[key.job_id] for key in found[:limit] if key.job_id in by_id],
        found[limit - 1].cursor if len(found) > limit else None,
    )


@dataclass(frozen=True, slots=True)
class _Key:
    """A place in a list."""

    job_id: int
    cursor: str


def _refuse_unknown(selection: Selection) -> None:
    for state in selection.states:
        if state not in STATES:
            reason = message("input.unknown_state", state=state, known=list(STATES))
            raise InvalidInput.one("state", reason)
    if selection.sort not in SORTS:
        known = [name for name in SORTS if name]
        reason = message("input.unknown_sort", sort=selection.sort, known=known)
        raise InvalidInput.one("sort", reason)


def _by_id(session: Session, selection: Selection, count: int, cursor: str) -> list[_Key]:
    """The keys of a page, newest first."""
    older = [Job.id < key_of(cursor, 1)[0]] if cursor else []
    newest = select(Job.id).where(*older, _is_shown(selection)).order_by(Job.id.desc()).limit(count)
    if selection.is_by_state and selection.states:
        # each state has its own part of an index; together they would have to be sorted
        parts = [newest.where(Job.state == state).subquery() for state in set(selection.states)]
        query: Any = union_all(*(select(part.c.id) for part in parts))
    elif selection.tag:
        query = (
            select(JobTag.job_id)
            .join(Job, Job.id == JobTag.job_id)
            .where(JobTag.tag == selection.tag, *older, *_conditions(selection, is_walk=True))
            .where(_is_shown(selection, is_walk=True))
            .order_by(JobTag.job_id.desc())
            .limit(count)
        )
    else:
        query = newest.where(*_conditions(selection, is_walk=not _is_single(selection)))
    ids = sorted(session.scalars(query), reverse=True)[:count]
    return [_Key(job_id, str(job_id)) for job_id in ids]


def _is_shown(selection: Selection, *, is_walk: bool = False) -> ColumnElement[bool]:
    """Whether a job is in the list as far as a delete decides it.

    The indexes of lists have the others alone, so this is said as they say it; but not where jobs
    are looked up one by one.
    """
    deleted_at: Any = in_passing(Job.deleted_at) if is_walk else Job.deleted_at
    shown: ColumnElement[bool] = (
        deleted_at.is_not(None) if selection.deleted else deleted_at.is_(None)
    )
    return shown


def _is_single(selection: Selection) -> bool:
    """Whether one column decides, which has an index of its own."""
    is_one = len(selection.equal) == 1 and not selection.deleted
    return is_one and not selection.states and not selection.text


def _by_measurement(session: Session, selection: Selection, count: int, cursor: str) -> list[_Key]:
    """The keys of a page in the order of a measurement."""
    column = getattr(Job, selection.sort.removeprefix("-"))
    is_falling = selection.sort.startswith("-")
    key = tuple_(column, Job.id)
    query = select(Job.id, column.label("value")).where(
        column.is_not(None),
        _is_shown(selection),
        *_conditions(selection, is_walk=True),
        *_tagged(session, selection.tag),
    )
    if cursor:
        last = tuple_(*_value_and_id(cursor))
        query = query.where(key < last if is_falling else key > last)
    order = (column.desc(), Job.id.desc()) if is_falling else (column, Job.id)
    rows = session.execute(query.order_by(*order).limit(count))
    return [_Key(row.id, f"{float(row.value).hex()}:{row.id}") for row in rows]


def _value_and_id(cursor: str) -> tuple[float, int]:
    value, _, job_id = cursor.partition(":")
    try:
        return float.fromhex(value), key_of(job_id, 1)[0]
    except (ValueError, OverflowError):
        raise InvalidInput.one("cursor", message("input.cursor")) from None


def _conditions(selection: Selection, *, is_walk: bool) -> Iterator[ColumnElement[bool]]:
    """What is true of the jobs that are chosen, but for their tag.

    Args:
        selection: what is asked for.
        is_walk: whether the jobs are looked at in order until there are enough of them.
    """
    if selection.states:
        state = in_passing(Job.state) if is_walk else Job.state
        yield state.in_(selection.states)
    for name, value in selection.equal.items():
        column = getattr(Job, name)
        yield (in_passing(column) if is_walk else column) == value
    if selection.text:
        yield holds(Job.folded_name, selection.text.casefold())


def _tagged(session: Session, tag: str) -> Iterator[ColumnElement[bool]]:
    """The condition that jobs have a tag, such that a list of any of them is soon found."""
    if not tag:
        return
    of_tag = select(JobTag.job_id).where(JobTag.tag == tag)
    few = select(func.count()).select_from(of_tag.limit(_RARE).subquery())
    if (session.scalar(few) or 0) < _RARE:
        yield Job.id.in_(of_tag)
    else:
        yield exists(of_tag.where(JobTag.job_id == Job.id))


def job(session: Session, job_id: int) -> tuple[Job, str | None]:
    """One job and its worker's name.

    Raises:
        NotFound: there is no such job.
    """
    row = None
    if job_id <= LARGEST_KEY:
        row = session.execute(_JOBS.where(Job.id == job_id)).one_or_none()
    if row is None:
        newest = session.scalar(select(func.max(Job.id)))
        raise NotFound(
            message("run.unknown_newest", job_id=job_id, newest=newest)
            if newest
            else message("run.unknown_none", job_id=job_id)
        )
    return row[0], row[1]


def revisions(session: Session, job_ids: Sequence[int]) -> dict[int, tuple[int, State]]:
    """The revision and the state of each of some jobs that is there, however many they are."""
    asked = select(Job.id, Job.revision, Job.state)
    return {
        row[0]: (row[1], row[2])
        for part in parts(job_ids)
        for row in session.execute(asked.where(Job.id.in_(part)))
    }


def jobs_by_id(session: Session, job_ids: Sequence[int]) -> list[Job]:
    """Each of some jobs that is there, however many they are."""
    return [
        job
        for part in parts([each for each in job_ids if each <= LARGEST_KEY])
        for job in session.scalars(select(Job).where(Job.id.in_(part)))
    ]


def count_by_state(session: Session) -> dict[State, int]:
    """How many jobs are in each state; deleted ones are not counted."""
    is_shown = in_passing(Job.deleted_at).is_(None)
    rows = session.execute(select(Job.state, func.count()).where(is_shown).group_by(Job.state))
    return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}
