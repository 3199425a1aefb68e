"""Runs that differ in nothing but their seeds, as groups of a list.

Among a few thousand runs the groups are put in order as wholes, by the means that a reader sees. In
a longer list a page of runs is found as in any list, and its groups stand for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import fmean
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database.models import MEASURED, Job, JobValue, Worker
from core.database.parts import parts
from core.errors import InvalidInput
from core.messages import message
from core.queries.clauses import conditions_of
from core.queries.jobs import cursor_before, first_ids, jobs
from core.queries.pages import checked_limit
from core.queries.selection import BY_STATE, COLUMNS, Selection, refuse_unknown
from core.spec.facts import SEED
from core.states import STATES

WITHOUT_SEED = "without_seed"
MOST_ORDERED = 3000
"""Runs whose groups are put in order as wholes: what is read of each is small."""
MOST_MEMBERS = 1000
"""Runs that are read of all the groups of a page together; the newest."""
_AS_WHOLES = "o"
"""What a cursor begins with that counts groups."""

Member = tuple[Job, str | None]
"""A run and its worker's name."""
Place = tuple[Any, ...]
"""Where a run stands in a list: of two, the smaller one comes first where the order rises."""


@dataclass(frozen=True, slots=True)
class Groups:
    """A page of groups, the members of each newest first."""

    items: Sequence[Sequence[Member]]
    next: str | None
    before: str | None
    """The cursor of the page before; empty: that is the first; None: this is."""
    count: int | None
    """The groups of all pages; None: the list is too long to count them."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What decides where a run's group stands."""

    id: int
    key: str
    seed: float | None
    value: float | None
    """What the list is sorted by, where that is a measurement."""
    is_result: bool
    """Whether the run ended well, so that its measurement counts."""


def groups(session: Session, selection: Selection, limit: int, cursor: str) -> Groups:
    """A page of the groups of a list, of at most `limit` groups.

    A list that is sorted by a measurement is in the order of what `mean_of` makes of each group;
    one that is sorted by anything else in that of the first of its runs.

    Raises:
        InvalidInput: an unknown state, order, limit or cursor.
    """
    refuse_unknown(selection)
    everything = replace(selection, sort="")
    ids = first_ids(session, everything, MOST_ORDERED + 1)
    if len(ids) <= MOST_ORDERED:
        return _ordered(session, selection, ids, checked_limit(limit), cursor)
    return _walked(session, selection, limit, "" if cursor.startswith(_AS_WHOLES) else cursor)


def mean_of(values: Sequence[tuple[float | None, float | None, bool]]) -> float | None:
    """The mean of a measurement over the seeds of a group; None where no run has a result.

    A run that was made again with the same seed is the same run, the newest counts. What a run has
    come to that still trains, or that broke off, is no result; of a run alone it is what is known.

    Args:
        values: of each run its seed, its measurement, and whether it ended well; newest first.
    """
    if len(values) == 1:
        return values[0][1]
    by_seed = {
        seed: value
        for seed, value, is_result in reversed(values)
        if is_result and value is not None
    }
    return fmean(by_seed.values()) if by_seed else None


def _ordered(
    session: Session, selection: Selection, ids: Sequence[int], limit: int, cursor: str
) -> Groups:
    """A page of groups, all of which were put in order."""
    found = _in_order(session, selection, ids)
    firsts = list(_firsts(found, limit))
    start = _start(cursor)
    place = max((at for at, first in enumerate(firsts) if first <= start), default=0)
    following = firsts[place + 1] if place + 1 < len(firsts) else None
    return Groups(
        _whole(session, found[firsts[place] : following] if firsts else []),
        None if following is None else f"{_AS_WHOLES}{following}",
        None if place == 0 else (f"{_AS_WHOLES}{firsts[place - 1]}" if place > 1 else ""),
        len(found),
    )


def _firsts(found: Sequence[Sequence[int]], limit: int) -> Iterator[int]:
    """With which groups the pages begin: none has too many groups, or too many runs."""
    groups_of_page = runs_of_page = 0
    for at, group in enumerate(found):
        is_full = groups_of_page == limit or runs_of_page + len(group) > MOST_MEMBERS
        if at == 0 or is_full:
            yield at
            groups_of_page = runs_of_page = 0
        groups_of_page += 1
        runs_of_page += len(group)


def _start(cursor: str) -> int:
    number = cursor.removeprefix(_AS_WHOLES) or "0"
    is_other = cursor != "" and not cursor.startswith(_AS_WHOLES)
    if is_other:  # the list was longer when the page before was shown
        return 0
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise InvalidInput.one("cursor", message("input.cursor"))
    return int(number)


def _in_order(session: Session, selection: Selection, ids: Sequence[int]) -> list[list[int]]:
    """The numbers of the runs of each group, newest first; the groups in the order of the list."""
    by_key: dict[str, list[_Run]] = {}
    for run in _runs(session, selection, ids):
        by_key.setdefault(run.key, []).append(run)
    found = list(by_key.values())
    if selection.value in MEASURED:
        return _by_means(selection, found)
    places = _places(session, selection, ids)
    choose = max if selection.is_falling else min
    placed = [
        (choose(there), group)
        for group in found
        if (there := [places[run.id] for run in group if run.id in places])
    ]
    placed.sort(key=lambda each: each[0], reverse=selection.is_falling)
    return [[run.id for run in group] for _, group in placed]


def _by_means(selection: Selection, found: Sequence[Sequence[_Run]]) -> list[list[int]]:
    """Groups by their means; those of which no run has ended come last, those without any not."""
    placed: list[tuple[bool, float, int, Sequence[_Run]]] = []
    for group in found:
        if all(run.value is None for run in group):
            continue
        mean = mean_of([(run.seed, run.value, run.is_result) for run in group])
        placed.append((mean is not None, mean or 0.0, group[0].id, group))
    placed.sort(key=lambda each: each[:3], reverse=selection.is_falling)
    placed.sort(key=lambda each: not each[0])
    return [[run.id for run in group] for *_, group in placed]


def _runs(session: Session, selection: Selection, ids: Sequence[int]) -> list[_Run]:
    """What is to be known of some runs, newest first."""
    value = getattr(Job, selection.value) if selection.value in MEASURED else Job.id
    keys, seeds = _values(session, ids, WITHOUT_SEED), _values(session, ids, SEED)
    asked = select(Job.id, Job.state, value)
    rows = [row for part in parts(ids) for row in session.execute(asked.where(Job.id.in_(part)))]
    return [
        _Run(
            job_id,
            keys[job_id][1] if job_id in keys else f"#{job_id}",
            seeds[job_id][0] if job_id in seeds else None,
            measured,
            state == "succeeded",
        )
        for job_id, state, measured in sorted(rows, key=lambda row: -int(row[0]))
    ]


def _values(session: Session, ids: Sequence[int], name: str) -> dict[int, tuple[float, str]]:
    asked = select(JobValue.job_id, JobValue.number, JobValue.text).where(JobValue.name == name)
    return {
        row.job_id: (row.number, row.text)
        for part in parts(ids)
        for row in session.execute(asked.where(JobValue.job_id.in_(part)))
    }


def _places(session: Session, selection: Selection, ids: Sequence[int]) -> Mapping[int, Place]:
    """Where runs stand; those that the list leaves out, for they have no such value, nowhere."""
    name = selection.value
    if not name:
        return {job_id: (job_id,) for job_id in ids}
    if name == BY_STATE:
        newest_first = 1 if selection.is_falling else -1
        states = _of_column(session, Job.state, ids)
        return {each: (STATES.index(state), newest_first * each) for each, state in states}
    if name in COLUMNS:
        found = _of_column(session, getattr(Job, COLUMNS[name]), ids)
        return {job_id: (value, job_id) for job_id, value in found if value is not None}
    values = _values(session, ids, name)
    return {job_id: (*value, job_id) for job_id, value in values.items()}


def _of_column(session: Session, column: Any, ids: Sequence[int]) -> list[tuple[int, Any]]:
    asked = select(Job.id, column)
    return [
        (row[0], row[1])
        for part in parts(ids)
        for row in session.execute(asked.where(Job.id.in_(part)))
    ]


def _whole(session: Session, found: Sequence[Sequence[int]]) -> list[list[Member]]:
    """Groups with whole runs."""
    asked = select(Job, Worker.name).outerjoin(Worker, Job.worker_id == Worker.id)
    ids = [job_id for group in found for job_id in group]
    rows = [row for part in parts(ids) for row in session.execute(asked.where(Job.id.in_(part)))]
    by_id: dict[int, Member] = {row[0].id: (row[0], row[1]) for row in rows}
    return [[by_id[job_id] for job_id in group if job_id in by_id] for group in found]


def _walked(session: Session, selection: Selection, limit: int, cursor: str) -> Groups:
    """The groups of a page of runs, each with every run of the list that belongs to it.

    A group that has a member before the first of these runs is left out: an earlier page has it.
    """
    page = jobs(session, selection, limit, cursor)
    found = _same_but_seed(session, selection, [job for job, _ in page.items])
    if selection.value in MEASURED:
        runs = {run.id: run for run in _runs(session, selection, [*chain(*found)])}
        found = _by_means(selection, [[runs[each] for each in group] for group in found])
    before = cursor_before(session, selection, limit, cursor) if cursor else None
    return Groups(_whole(session, found), page.next, before, None)


def _same_but_seed(session: Session, selection: Selection, jobs: Sequence[Job]) -> list[list[int]]:
    """The groups of some runs of a list, in the order of the list."""
    keys = _values(session, [job.id for job in jobs], WITHOUT_SEED)
    members = _members(session, selection, sorted({text for _, text in keys.values()}))
    by_key: dict[str, set[int]] = {}
    for job in jobs:
        key = keys[job.id][1] if job.id in keys else f"#{job.id}"
        by_key.setdefault(key, set()).add(job.id)
    for job_id, key in members:
        by_key[key].add(job_id)
    groups = [sorted(found, reverse=True) for found in by_key.values()]
    if not jobs:
        return groups
    places = _places(session, selection, [each for group in groups for each in group])
    first = places.get(jobs[0].id)
    if first is None:
        return groups
    return [group for group in groups if not _is_before(selection, group, places, first)]


def _is_before(
    selection: Selection, group: Sequence[int], places: Mapping[int, Place], first: Place
) -> bool:
    of_group = [places[job_id] for job_id in group if job_id in places]
    return any(place > first if selection.is_falling else place < first for place in of_group)


def _members(session: Session, selection: Selection, keys: Sequence[str]) -> list[tuple[int, str]]:
    """The runs of a list that have one of some keys, with it."""
    asked = (
        select(Job.id, JobValue.text)
        .join(JobValue, JobValue.job_id == Job.id)
        .where(JobValue.name == WITHOUT_SEED, JobValue.number == 0, JobValue.text.in_(keys))
        .where(*conditions_of(session, replace(selection, sort="")))
    )
    rows = session.execute(asked.order_by(Job.id.desc()).limit(MOST_MEMBERS))
    return [(row[0], row[1]) for row in rows]
