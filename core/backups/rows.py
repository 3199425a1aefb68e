"""The rows of all tables, out of a database and into one, in a form that both databases read.

A table is a file of lines, packed; a line is a row: a JSON list in the order of the first line,
which names the columns. Moments are texts in UTC, bytes are base64, everything else is as JSON has
it. The tables are read as the database describes them, not as the models do: a backup of an earlier
release is loaded into the tables that it had.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy import Table as SQLTable

from core.backups.manifest import Table
from core.database.models import Base

AT_ONCE = 1000
END = ".jsonl.gz"

Write = Callable[[Any], Any]


def dump(connection: Connection, folder: Path) -> dict[str, Table]:
    """Write the rows of all our tables into a folder, a file each.

    The connection is in a transaction that sees the database at one moment.
    """
    found = _described(connection, list(Base.metadata.tables))
    return {table.name: _dump(connection, table, folder) for table in found.sorted_tables}


def load(connection: Connection, folder: Path, names: Sequence[str]) -> None:
    """Replace the rows of empty or new tables by those of a folder, within a transaction."""
    found = _described(connection, names)
    for table in reversed(found.sorted_tables):
        connection.execute(table.delete())  # what migrations put there
    for table in found.sorted_tables:
        _load(connection, table, folder / f"{table.name}{END}")


def sequences(connection: Connection) -> dict[str, int]:
    """By table, the last number that was given: a number of what is gone is not given again."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT name, seq FROM sqlite_sequence")).all()
        return {name: int(number) for name, number in rows if name in Base.metadata.tables}
    found: dict[str, int] = {}
    for table, column in _counted(connection, Base.metadata.tables):
        sequence = _sequence(connection, table, column)
        if sequence:
            row = connection.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608
            if row.is_called:
                found[table] = int(row.last_value)
    return found


def continue_sequences(connection: Connection, last: dict[str, int]) -> None:
    """Have the next numbers follow those that were given, and those that are there."""
    if connection.dialect.name == "sqlite":
        for name, number in last.items():
            values = {"name": name, "number": number}
            changed = connection.execute(
                text("UPDATE sqlite_sequence SET seq = max(seq, :number) WHERE name = :name"),
                values,
            )
            if not changed.rowcount and _counts_up(connection, name):
                connection.execute(
                    text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), values
                )
        return
    for table, column in _counted(connection, inspect(connection).get_table_names()):
        sequence = _sequence(connection, table, column)
        largest = connection.scalar(text(f'SELECT max("{column}") FROM "{table}"')) or 0  # noqa: S608
        number = max(largest, last.get(table, 0))
        if sequence and number:
            connection.execute(
                text("SELECT setval(:name, :number)"), {"name": sequence, "number": number}
            )


def digest(path: Path) -> str:
    """The SHA-256 of a file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _described(connection: Connection, names: Sequence[str]) -> MetaData:
    found = MetaData()
    there = set(inspect(connection).get_table_names())
    found.reflect(connection, only=[name for name in names if name in there])
    for table in found.tables.values():
        for column in table.columns:
            if isinstance(column.type, JSON):  # an empty field stays one, and is no JSON null
                column.type = JSON(none_as_null=True)
    return found


def _dump(connection: Connection, table: SQLTable, folder: Path) -> Table:
    path = folder / f"{table.name}{END}"
    query = select(table).order_by(*table.primary_key.columns)
    in_parts = {"stream_results": True, "yield_per": AT_ONCE}
    rows = connection.execute(query, execution_options=in_parts)
    writers = [_writer(column.type) for column in table.columns]
    count = 0
    # the time of packing in the head would give the same rows another digest
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 5, raw, mtime=0) as file:
        file.write(_line([column.name for column in table.columns]))
        for part in rows.partitions():
            count += len(part)
            file.write(
                b"".join(_line([w(v) for w, v in zip(writers, row, strict=True)]) for row in part)
            )
    return Table(count, digest(path))


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _writer(kind: object) -> Write:
    if isinstance(kind, DateTime):
        return lambda value: None if value is None else _utc(value).isoformat()
    if isinstance(kind, LargeBinary):
        return lambda value: None if value is None else base64.b64encode(value).decode()
    return lambda value: value


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _load(connection: Connection, table: SQLTable, path: Path) -> None:
    with gzip.open(path, "rb") as file:
        names: list[str] = json.loads(next(file))
        columns = [table.columns[name] for name in names]
        is_sqlite = connection.dialect.name == "sqlite"
        readers = [_reader(column.type, is_sqlite=is_sqlite) for column in columns]
        rows = ([r(v) for r, v in zip(readers, json.loads(line), strict=True)] for line in file)
        if is_sqlite:
            for part in _parts(rows):
                values = [dict(zip(names, row, strict=True)) for row in part]
                connection.execute(insert(table), values)
        else:
            _copy(connection, table.name, names, rows)


def _reader(kind: object, *, is_sqlite: bool) -> Write:
    if isinstance(kind, DateTime):
        if is_sqlite:
            return lambda text: None if text is None else _moment(text).replace(tzinfo=None)
        return lambda text: text
    if isinstance(kind, LargeBinary):
        return lambda text: None if text is None else base64.b64decode(text)
    if isinstance(kind, JSON) and not is_sqlite:  # COPY takes it as text
        return lambda value: None if value is None else json.dumps(value)
    return lambda value: value


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _copy(
    connection: Connection, table: str, names: Sequence[str], rows: Iterator[list[Any]]
) -> None:
    """Several times as fast as inserts."""
    columns = ", ".join(f'"{name}"' for name in names)
    cursor = connection.connection.cursor()
    with cursor, cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as copy:  # type: ignore[attr-defined]
        for row in rows:
            copy.write_row(row)


def _parts(rows: Iterator[list[Any]]) -> Iterator[list[list[Any]]]:
    while part := list(itertools.islice(rows, AT_ONCE)):
        yield part


def _counted(connection: Connection, names: Any) -> Iterator[tuple[str, str]]:
    """Tables with a key of one number, and that key."""
    for table in _described(connection, list(names)).sorted_tables:
        key = list(table.primary_key.columns)
        if len(key) == 1 and isinstance(key[0].type, Integer):
            yield table.name, key[0].name


def _sequence(connection: Connection, table: str, column: str) -> str | None:
    found: str | None = connection.scalar(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table, "column": column}
    )
    return found


def _counts_up(connection: Connection, table: str) -> bool:
    made = connection.scalar(
        text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table}
    )
    return "AUTOINCREMENT" in (made or "").upper()
