"""Pages of lists, by keys and not by offsets.

The cursor of a page is the key of its last row, so the cost of a page does not grow with what lies
before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from core.errors import InvalidInput
from core.messages import message

Row = TypeVar("Row")

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and the cursor of the next page, or None at the end."""

    items: Sequence[Row]
    next: str | None


def rows_of_job(
    session: Session,
    table: Any,
    job_id: int,
    limit: int,
    cursor: str,
    *keys: Any,
    only: Any = None,
    newest_first: bool = False,
) -> Page[Any]:
    """A page of the rows of one job, in the order of `keys`; of those that `only` selects."""
    order = [key.desc() for key in keys] if newest_first else keys
    query: Select[Any] = select(table).where(table.job_id == job_id).order_by(*order)
    if only is not None:
        query = query.where(only)
    if cursor:
        mine, its = tuple_(*keys), tuple_(*key_of(cursor, len(keys)))
        query = query.where(mine < its if newest_first else mine > its)
    found = session.scalars(query.limit(checked_limit(limit) + 1)).all()
    return page_of(found, limit, lambda row: tuple(getattr(row, each.key) for each in keys))


def page_of(rows: Sequence[Row], limit: int, key: Callable[[Row], tuple[int, ...]]) -> Page[Row]:
    """Cut the one row too many that shows whether there is a next page."""
    items = rows[:limit]
    more = len(rows) > limit
    return Page(items, ".".join(str(part) for part in key(items[-1])) if more else None)


def checked_limit(limit: int) -> int:
    """A limit, unless it is too small or too large."""
    if not 1 <= limit <= LARGEST_LIMIT:
        raise InvalidInput.one("limit", message("input.limit", most=LARGEST_LIMIT))
    return limit


def key_of(cursor: str, parts: int) -> tuple[int, ...]:
    """The key that a cursor names: so many whole numbers."""
    pieces = cursor.split(".")
    if len(pieces) != parts or not all(
        piece.isascii() and piece.isdigit() and len(piece) < 19 for piece in pieces
    ):
        raise InvalidInput.one("cursor", message("input.cursor"))
    return tuple(int(piece) for piece in pieces)
