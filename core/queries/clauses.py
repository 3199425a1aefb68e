"""What SQL says of the jobs that a list has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from operator import eq, ge, gt, le, lt
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, false, func, select, true
from sqlalchemy.orm import Session

from core.database.hints import in_passing
from core.database.models import MEASURED, Job, JobTag, JobValue
from core.database.search import holds
from core.queries.conditions import Condition, Operator
from core.queries.selection import Selection

RARE = 2000
"""Jobs that are looked up one by one; of more, the first are looked for in order."""


def is_shown(selection: Selection, *, is_walk: bool = False) -> ColumnElement[bool]:
    """Whether a job is in the list as far as a delete decides it.

    The indexes of lists have the others alone, so this is said as they say it; but not where jobs
    are looked up one by one.
    """
    deleted_at: Any = in_passing(Job.deleted_at) if is_walk else Job.deleted_at
    shown: ColumnElement[bool] = (
        deleted_at.is_not(None) if selection.deleted else deleted_at.is_(None)
    )
    return shown


def _created(session: Session, selection: Selection) -> Iterator[ColumnElement[bool]]:
    """The condition on the number of a job that it was submitted in some time."""
    if selection.created_from is not None:
        yield Job.id >= _first_since(session, selection.created_from)
    if selection.created_to is not None:
        yield Job.id < _first_since(session, selection.created_to)


def _first_since(session: Session, moment: datetime) -> int:
    """The number of the first job that was submitted at a moment or later; else the next number.

    Numbers are given in the order of the submits, so it is found by halving: some twenty looks at
    a row each, and no index of times.
    """
    low, high = 1, (session.scalar(select(func.max(Job.id))) or 0) + 1
    asked = select(Job.id, Job.created_at).order_by(Job.id).limit(1)
    while low < high:
        middle = (low + high) // 2
        row = session.execute(asked.where(Job.id >= middle)).one_or_none()
        if row is None or row.created_at >= moment:
            high = middle
        else:
            low = row.id + 1
    return low


def conditions_of(session: Session, selection: Selection) -> Iterator[ColumnElement[bool]]:
    """What is true of the jobs that are chosen, for whoever looks them up one by one."""
    yield is_shown(selection, is_walk=True)
    yield from of_columns(selection, is_walk=True)
    yield from looked_up(session, selection)


def looked_up(session: Session, selection: Selection) -> Iterator[ColumnElement[bool]]:
    """What is true of the jobs that are chosen, as far as other rows than their own decide it."""
    yield from _tagged(session, selection.tag)
    yield from besides_tags(session, selection)


def besides_tags(session: Session, selection: Selection) -> Iterator[ColumnElement[bool]]:
    """What is true of the jobs that are chosen by when they came, and by their values."""
    yield from _created(session, selection)
    for each in selection.conditions:
        yield _met(session, each, selection)


def of_columns(selection: Selection, *, is_walk: bool) -> Iterator[ColumnElement[bool]]:
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
    yield from is_seen(selection.seen_by)
    if selection.text:
        yield holds(Job.folded_name, selection.text.casefold())


def is_seen(seen_by: str | None) -> Iterator[ColumnElement[bool]]:
    """The condition that jobs are there for somebody; almost all are."""
    if seen_by is not None:
        yield in_passing(Job.is_private).is_(False) | (in_passing(Job.owner) == seen_by)


def _tagged(session: Session, tag: str) -> Iterator[ColumnElement[bool]]:
    """The condition that jobs have a tag, such that a list of any of them is soon found."""
    if tag:
        yield _is_one_of(session, select(JobTag.job_id).where(JobTag.tag == tag), JobTag.job_id)


def _met(session: Session, condition: Condition, selection: Selection) -> ColumnElement[bool]:
    """A condition on a value. What has no such value is not equal to anything."""
    if condition.name in MEASURED:
        return _is_measured(session, condition, selection)
    found = select(JobValue.job_id).where(JobValue.name == condition.name)
    if isinstance(condition.value, str):
        found = found.where(JobValue.number == 0, JobValue.text == condition.value)
    else:
        found = found.where(
            _COMPARES[condition.operator](JobValue.number, condition.value), JobValue.text == ""
        )
    is_met = _is_one_of(session, found, JobValue.job_id)
    return ~is_met if condition.operator == "!=" else is_met


def _is_measured(
    session: Session, condition: Condition, selection: Selection
) -> ColumnElement[bool]:
    column: Any = getattr(Job, condition.name)
    if isinstance(condition.value, str):  # which no measurement is
        return true() if condition.operator == "!=" else false()
    if condition.operator == "!=":
        differs: ColumnElement[bool] = column.is_distinct_from(condition.value)
        return differs
    compare = _COMPARES[condition.operator]
    found = select(Job.id).where(compare(column, condition.value), Job.deleted_at.is_(None))
    if not selection.deleted and _are_few(session, found):
        return Job.id.in_(found)
    is_met: ColumnElement[bool] = compare(in_passing(column), condition.value)
    return is_met


_COMPARES: Mapping[Operator, Callable[[Any, Any], Any]] = {
    "=": eq,
    "!=": eq,  # and then those that are not
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


def _is_one_of(session: Session, found: Select[Any], key: Any) -> ColumnElement[bool]:
    """Whether a job is one of those that are found, such that a list of them is soon made."""
    if _are_few(session, found):
        return Job.id.in_(found)
    return exists(found.where(key == Job.id).correlate(Job))


def _are_few(session: Session, found: Select[Any]) -> bool:
    few = select(func.count()).select_from(found.limit(RARE).subquery())
    return (session.scalar(few) or 0) < RARE
