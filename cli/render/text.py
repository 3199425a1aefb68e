"""Text for the terminal: what programs read, what people read, and nothing that moves a cursor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core import formats
from core.characters import printable

PIPE_WIDTH = 240
"""Columns of a table that no screen limits."""

T = TypeVar("T")


def as_json(value: Any) -> str:
    """A value for other programs."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def one_line(value: Any) -> str:
    """A value as printable text on one line; nothing for None."""
    return "" if value is None else printable(str(value)).replace("\n", " ")


def counted(count: int, what: str) -> str:
    """How many there are of something, whose plural ends in s."""
    return f"{formats.whole(count)} {what}{'' if count == 1 else 's'}"


def written(write: Callable[[T], str], value: T | None) -> str:
    """A value by one of the formats; nothing for None, as a table has an empty cell."""
    return "" if value is None else write(value)


def in_address(value: str) -> str:
    """A name as a part of an address."""
    return quote(value, safe="")


def ago(moment: str | None) -> str:
    """How long ago a moment of the API was."""
    return "" if moment is None else formats.ago(seconds_since(moment))


def seconds_since(moment: str) -> float:
    """Seconds from a moment of the API until now."""
    return (datetime.now(UTC) - formats.instant(moment)).total_seconds()


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table; what comes from runs is shown as text, never as markup."""
    made = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(one_line(cell)) for cell in row))
    return made


def console() -> Console:
    """Standard output; in a pipe or a file a table is as wide as it needs to be."""
    made = Console()
    return made if made.is_terminal else Console(width=PIPE_WIDTH)
