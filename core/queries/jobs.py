"""Questions about the list of jobs.

Each page is found by an index that has all that is asked for, before any whole row is read: the
rows are wide. A list is in the order in which the jobs were submitted, newest first, or in that of
a value; then it has the jobs that have one. A measurement that is written while a job runs is a
column of `jobs` with an index of its own; a hyperparameter, and what comes with the end, is a row
of `job_values`, whose index has the jobs in the order of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, select, tuple_, union_all
from sqlalchemy.orm import Session

from core.database.engine import storable
from core.database.hints import in_passing
from core.database.models import LARGEST_KEY, Job, JobTag, JobValue, Worker
from core.database.parts import parts
from core.errors import InvalidInput, NotFound
from core.messages import message
from core.queries.clauses import RARE, besides_tags, is_seen, is_shown, looked_up, of_columns
from core.queries.pages import DEFAULT_LIMIT, Page, checked_limit, key_of
from core.queries.selection import BY_STATE, COLUMNS, EVERYTHING, Selection, refuse_unknown
from core.states import STATES, State

_JOBS = select(Job, Worker.name).outerjoin(Worker, Job.worker_id == Worker.id)
_OF_LIST = "INDEXED BY ix_jobs_list"
"""For SQLite, which would read the wide row of each job that a walk along values comes to."""


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
    refuse_unknown(selection)
    count = checked_limit(limit) + 1
    found = _keys(session, selection, count, cursor)
    if not found:
        return Page([], None)
    rows = session.execute(_JOBS.where(Job.id.in_([key.job_id for key in found[:limit]])))
    by_id = {job.id: (job, worker) for job, worker in rows}
    return Page(
        [by_id[key.job_id] for key in found[:limit] if key.job_id in by_id],
        found[limit - 1].cursor if len(found) > limit else None,
    )


def cursor_before(session: Session, selection: Selection, limit: int, cursor: str) -> str:
    """The cursor of the page before the one that a cursor leads to; empty: that is the first.

    Raises:
        InvalidInput: an unknown state, order, limit or cursor.
    """
    refuse_unknown(selection)
    back = replace(selection, is_backwards=not selection.is_backwards)
    # the cursor is the last row of that page, so the last one here is that of the page before it
    found = _keys(session, back, checked_limit(limit), cursor)
    return found[-1].cursor if len(found) == limit else ""


def first_ids(session: Session, selection: Selection, most: int) -> list[int]:
    """The numbers of the first jobs of a list, in its order."""
    refuse_unknown(selection)
    return [key.job_id for key in _keys(session, selection, most, "")]


def count_of_jobs(session: Session, selection: Selection, most: int) -> int:
    """How many jobs a list has, in whatever order; one more than `most` where there are more."""
    return len(_by_id(session, _in_usual_order(selection), most + 1, ""))


def counts_of_states(session: Session, selection: Selection, most: int) -> dict[State, int]:
    """How many jobs of each state a list has, or would have if it were asked for those alone.

    Returns:
        One more than `most` where there are more. Nothing where that cannot be said without going
        through more jobs.
    """
    asked = replace(_in_usual_order(selection), states=())
    if asked.is_by_state:  # each state has its own part of an index
        one_each = {state: replace(asked, states=(state,)) for state in STATES}
        return {state: count_of_jobs(session, each, most) for state, each in one_each.items()}
    found = [key.job_id for key in _by_id(session, asked, most + 1, "")]
    if len(found) > most:
        return {}
    states = session.scalars(select(Job.state).where(Job.id.in_(found)))
    return dict.fromkeys(STATES, 0) | Counter(states)


def _in_usual_order(selection: Selection) -> Selection:
    return replace(selection, sort="", is_backwards=False)


def _keys(session: Session, selection: Selection, count: int, cursor: str) -> list[_Key]:
    if not selection.value:
        return _by_id(session, selection, count, cursor)
    if selection.value == BY_STATE:
        return _by_state(session, selection, count, cursor)
    if selection.value in COLUMNS:
        return _by_column(session, selection, count, cursor)
    return _by_value(session, selection, count, cursor)


@dataclass(frozen=True, slots=True)
class _Key:
    """A place in a list."""

    job_id: int
    cursor: str


def _by_id(session: Session, selection: Selection, count: int, cursor: str) -> list[_Key]:
    """The keys of a page, newest or oldest first."""
    is_falling = selection.is_falling
    older = [*besides_tags(session, selection)]
    if cursor:
        last = key_of(cursor, 1)[0]
        older.append(Job.id < last if is_falling else Job.id > last)

    def ordered(key: Any) -> Any:
        return key.desc() if is_falling else key

    newest = select(Job.id).where(*older, is_shown(selection)).order_by(ordered(Job.id))
    newest = newest.limit(count)
    if selection.is_by_state and selection.states:
        # each state has its own part of an index; together they would have to be sorted
        newest = newest.where(*is_seen(selection.seen_by))
        parts = [newest.where(Job.state == state).subquery() for state in set(selection.states)]
        query: Any = union_all(*(select(part.c.id) for part in parts))
    elif selection.tag:
        query = (
            select(JobTag.job_id)
            .join(Job, Job.id == JobTag.job_id)
            .where(JobTag.tag == selection.tag, *older, *of_columns(selection, is_walk=True))
            .where(is_shown(selection, is_walk=True))
            .order_by(ordered(JobTag.job_id))
            .limit(count)
        )
    else:
        query = newest.where(*of_columns(selection, is_walk=not _is_single(selection)))
    ids = sorted(session.scalars(query), reverse=is_falling)[:count]
    return [_Key(job_id, str(job_id)) for job_id in ids]


def _is_single(selection: Selection) -> bool:
    """Whether one column decides, which has an index of its own."""
    is_one = len(selection.equal) == 1 and not selection.deleted
    is_alone = not selection.states and not selection.text and not selection.conditions
    return is_one and is_alone


def _by_state(session: Session, selection: Selection, count: int, cursor: str) -> list[_Key]:
    """The keys of a page in the order of the states: those of one after those of another."""
    is_last_first = selection.sort.startswith("-") != selection.is_backwards
    states: Sequence[State] = STATES[::-1] if is_last_first else STATES
    last, after = _state_and_id(cursor) if cursor else (states[0], "")
    found: list[_Key] = []
    for state in states[states.index(last) :]:
        if selection.states and state not in selection.states:
            continue
        of_state = replace(selection, sort="", states=(state,))
        keys = _by_id(session, of_state, count - len(found), after if state == last else "")
        found += [_Key(key.job_id, f"{state}:{key.job_id}") for key in keys]
        if len(found) == count:
            break
    return found


def _state_and_id(cursor: str) -> tuple[State, str]:
    name, _, job_id = cursor.partition(":")
    for state in STATES:
        if state == name:
            return state, job_id
    raise InvalidInput.one("cursor", message("input.cursor"))


def _by_column(session: Session, selection: Selection, count: int, cursor: str) -> list[_Key]:
    """The keys of a page in the order of a column."""
    column = getattr(Job, COLUMNS[selection.value])
    is_falling = selection.is_falling
    key = tuple_(column, Job.id)
    query = select(Job.id, column.label("value")).where(
        *([] if selection.value == "name" else [column.is_not(None)]),
        is_shown(selection),
        *of_columns(selection, is_walk=True),
        *looked_up(session, selection),
    )
    if cursor:
        value, job_id = _value_and_id(cursor, selection.value)
        last = tuple_(literal(value, column.type), literal(job_id))
        query = query.where(key < last if is_falling else key > last)
    order = (column.desc(), Job.id.desc()) if is_falling else (column, Job.id)
    rows = session.execute(query.order_by(*order).limit(count))
    return [_Key(row.id, f"{_written(row.value)}:{row.id}") for row in rows]


def _written(value: Any) -> str:
    """What a list is sorted by, so that nothing of it is lost in a cursor."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str) else float(value).hex()


def _value_and_id(cursor: str, name: str) -> tuple[Any, int]:
    value, _, job_id = cursor.rpartition(":")
    read: Callable[[str], Any] = {"name": storable, "finished": _moment}.get(name, float.fromhex)
    try:
        return read(value), key_of(job_id, 1)[0]
    except (ValueError, OverflowError):
        raise InvalidInput.one("cursor", message("input.cursor")) from None


def _by_value(session: Session, selection: Selection, count: int, cursor: str) -> list[_Key]:
    """The keys of a page in the order of a value that has a row of its own."""
    after = _of_value(cursor) if cursor else None
    few = None if selection.is_everything else _few(session, selection)
    rows = (
        _walked(session, selection, count, after)
        if few is None
        else _sorted(session, selection, few, after)[:count]
    )
    return [_Key(row[2], f"{row[0].hex()}:{row[2]}:{row[1]}") for row in rows]


_Value = tuple[float, str, int]
"""A number, a text, and whose they are: what a list is sorted by."""


def _walked(
    session: Session, selection: Selection, count: int, after: _Value | None
) -> list[_Value]:
    """The first values of jobs that are chosen, looked for along the index of values."""
    columns = JobValue.number, JobValue.text, JobValue.job_id
    query = (
        select(*columns)
        .join(Job, Job.id == JobValue.job_id)
        .with_hint(Job, _OF_LIST, "sqlite")
        .where(JobValue.name == selection.value, is_shown(selection))
        .where(*of_columns(selection, is_walk=True), *looked_up(session, selection))
        .order_by(*((each.desc() if selection.is_falling else each) for each in columns))
    )
    if selection.deleted:  # which are few, and in no index of lists
        query = query.with_hint(Job, "NOT INDEXED", "sqlite")
    if after is not None:
        key, last = tuple_(*columns), tuple_(*after)
        query = query.where(key < last if selection.is_falling else key > last)
    return [(row.number, row.text, row.job_id) for row in session.execute(query.limit(count))]


def _few(session: Session, selection: Selection) -> list[int] | None:
    """The jobs that are chosen, where they are so few that it is best to sort them one by one."""
    found = _by_id(session, _in_usual_order(selection), RARE, "")
    return [each.job_id for each in found] if len(found) < RARE else None


def _sorted(
    session: Session, selection: Selection, job_ids: Sequence[int], after: _Value | None
) -> list[_Value]:
    """The values of some jobs in order, from behind a place on."""
    name = in_passing(JobValue.name)  # else SQLite walks along all the values of this name
    asked = select(JobValue.number, JobValue.text, JobValue.job_id).where(name == selection.value)
    found = [
        (row.number, row.text, row.job_id)
        for part in parts(job_ids)
        for row in session.execute(asked.where(JobValue.job_id.in_(part)))
    ]
    found.sort(reverse=selection.is_falling)
    if after is None:
        return found
    return [each for each in found if (each < after if selection.is_falling else each > after)]


def _of_value(cursor: str) -> _Value:
    number, _, rest = cursor.partition(":")
    job_id, _, text = rest.partition(":")
    try:
        return float.fromhex(number), storable(text), key_of(job_id, 1)[0]
    except (ValueError, OverflowError):
        raise InvalidInput.one("cursor", message("input.cursor")) from None


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def job(session: Session, job_id: int) -> tuple[Job, str | None]:
    """One job and its worker's name.

    Raises:
        NotFound: there is no such job.
    """
    row = None
    if job_id <= LARGEST_KEY:
        row = session.execute(_JOBS.where(Job.id == job_id)).one_or_none()
    if row is None:
        raise _unknown(session, job_id)
    return row[0], row[1]


def _unknown(session: Session, job_id: int) -> NotFound:
    newest = session.scalar(select(func.max(Job.id)))
    if newest is None:
        return NotFound(message("run.unknown_none", job_id=job_id))
    if job_id <= newest:  # it was removed, or is private: the newest may be this very one
        return NotFound(message("run.unknown", job_id=job_id))
    return NotFound(message("run.unknown_newest", job_id=job_id, newest=newest))


def refuse_unseen(session: Session, job_id: int, seen_by: str) -> None:
    """Raise `NotFound` for a private job of somebody else, as if there were none.

    Of one that is not there nothing is said here.
    """
    if is_hidden(session, job_id, seen_by):
        raise _unknown(session, job_id)


def is_hidden(session: Session, job_id: int, seen_by: str) -> bool:
    """Whether a job is a private one of somebody else."""
    is_others = Job.is_private.is_(True) & (Job.owner != seen_by)
    wanted = select(Job.id).where(Job.id == min(job_id, LARGEST_KEY), is_others)
    return session.scalar(wanted) is not None


def owners_of_private(session: Session, job_ids: Sequence[int]) -> dict[int, str]:
    """Whose each of some jobs is, of those that are private, however many they are."""
    asked = select(Job.id, Job.owner).where(Job.is_private.is_(True))
    return {
        row[0]: row[1]
        for part in parts(job_ids)
        for row in session.execute(asked.where(Job.id.in_(part)))
    }


def revisions(session: Session, job_ids: Sequence[int]) -> dict[int, tuple[int, State]]:
    """The revision and the state of each of some jobs that is there, however many they are."""
    asked = select(Job.id, Job.revision, Job.state)
    return {
        row[0]: (row[1], row[2])
        for part in parts(job_ids)
        for row in session.execute(asked.where(Job.id.in_(part)))
    }


def jobs_by_id(session: Session, job_ids: Sequence[int], seen_by: str | None = None) -> list[Job]:
    """Each of some jobs that is there, for somebody, however many they are."""
    return [
        job
        for part in parts([each for each in job_ids if each <= LARGEST_KEY])
        for job in session.scalars(select(Job).where(Job.id.in_(part), *is_seen(seen_by)))
    ]


def count_by_state(session: Session, seen_by: str | None = None) -> dict[State, int]:
    """How many jobs are in each state, for somebody; deleted ones are not counted."""
    counted = (in_passing(Job.deleted_at).is_(None), *is_seen(seen_by))
    rows = session.execute(select(Job.state, func.count()).where(*counted).group_by(Job.state))
    return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}
