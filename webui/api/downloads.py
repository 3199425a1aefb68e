"""What a run has reported as files to keep: its log as text, its measurements as CSV.

A file is made a page of rows at a time, so it may be of any length.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flask import Response, request

from core import queries
from core.characters import printable
from core.errors import InvalidInput
from core.messages import message
from core.queries import Page
from webui.api.shapes import JSON, LogLine, Shape
from webui.context import current

CSV, TEXT = "csv", "text"

Query = Callable[..., Page[Any]]
"""A page of what belongs to a run, of a session, a job, a limit and a cursor."""
Lines = Callable[[Sequence[JSON]], str]


def is_asked_for(file_format: str) -> bool:
    """Whether the answer is to be a file of this format, instead of a page as JSON."""
    asked = request.args.get("format", "json")
    if asked not in ("json", file_format):
        raise InvalidInput.one("format", message("input.one_of", choices=["json", file_format]))
    return asked == file_format


def as_csv(job_id: int, name: str, query: Query, shape: type[Shape]) -> Response:
    """All rows as a table with commas; its first line names the columns."""
    columns = list(shape.model_fields)
    heading = ",".join(columns) + "\r\n"

    def lines(rows: Sequence[JSON]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, columns).writerows(rows)
        return text.getvalue()

    rows = _pages(job_id, query, shape.model_validate)
    return _file(f"run-{job_id}-{name}.csv", "text/csv", rows, lines, heading)


def as_text(job_id: int, query: Query) -> Response:
    """All lines of a log; where several attempts made it, each says which it is of."""
    rows = _pages(job_id, query, LogLine.model_validate)
    return _file(f"run-{job_id}-log.txt", "text/plain", rows, _as_lines)


def _as_lines(rows: Sequence[JSON]) -> str:
    return "".join(
        f"{row['time']} {row['attempt']} {row['level']:8} {printable(row['text'])}\n"
        for row in rows
    )


def _file(
    filename: str, kind: str, pages: Iterator[Sequence[JSON]], lines: Lines, heading: str = ""
) -> Response:
    first = next(pages)  # what is wrong is answered as ever, before the file begins

    def parts() -> Iterator[str]:
        yield heading + lines(first)
        yield from map(lines, pages)

    response = Response(parts(), content_type=f"{kind}; charset=utf-8")
    response.headers.set("Content-Disposition", "attachment", filename=filename)
    response.cache_control.no_store = True
    return response


def _pages(job_id: int, query: Query, shape: Callable[[Any], Shape]) -> Iterator[Sequence[JSON]]:
    """The rows of a run, a page at a time, each page in a transaction of its own."""
    database = current().database
    cursor: str | None = ""
    with database.reading() as session:
        queries.job(session, job_id)  # 404 where there is no such job
    while cursor is not None:
        with database.reading() as session:
            page = query(session, job_id, queries.LARGEST_LIMIT, cursor)
            rows = [shape(row).as_json() for row in page.items]
        cursor = page.next
        yield rows
