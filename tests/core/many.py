"""Many jobs, made by the database itself, and the plans by which it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, text

from core.database.engine import Database
from core.database.models import Job

AT_ONCE = 2000
"""How often one statement copies each job."""


def multiply(database: Database, times: int, which: str = "1 = 1") -> None:
    """Copy each job, or those of which something is true, so many times."""
    columns = ", ".join(column.name for column in Job.__table__.columns if column.name != "id")
    with database.reading() as session:
        newest = session.scalar(text("SELECT max(id) FROM jobs"))
    copied = f"(SELECT * FROM jobs WHERE {which} AND id <= :newest) AS copied"
    for start in range(0, times, AT_ONCE):
        with database.writing() as session:
            session.execute(
                text(
                    "WITH RECURSIVE numbers(n) AS "
                    "(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
                    f"INSERT INTO jobs ({columns}) SELECT {columns} FROM {copied}, numbers"
                ),
                {"count": min(AT_ONCE, times - start), "newest": newest},
            )
            session.execute(
                text(
                    "INSERT INTO progress (job_id, revision, attempt, epoch, batch) "
                    "SELECT id, 0, 0, 1, 0 FROM jobs "
                    "WHERE id > (SELECT max(job_id) FROM progress)"
                )
            )


def learn(database: Database) -> None:
    """Let PostgreSQL look at what it has. SQLite plans without, so it is not let look either."""
    if database.engine.dialect.name == "postgresql":
        engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))


@contextmanager
def _noted(database: Database) -> Iterator[list[tuple[str, Any]]]:
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    event.remove(database.engine, "before_cursor_execute", note)


def plans(database: Database, action: Callable[[], object], table: str = "jobs") -> list[str]:
    """How each statement of an action that reads or changes a table is answered, a step a line."""
    with _noted(database) as statements:
        action()
    of_table = [s for s in statements if re.search(rf"(FROM|JOIN|UPDATE) {table}\b", s[0])]
    assert of_table, f"the action asks for {table}"
    is_sqlite = database.engine.dialect.name == "sqlite"
    explain = _sqlite if is_sqlite else _postgresql
    with database.engine.connect() as connection:
        return [explain(connection, *each) for each in of_table]


def _sqlite(connection: Any, statement: str, parameters: Any) -> str:
    rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    return "\n".join(row.detail for row in rows)


def _postgresql(connection: Any, statement: str, parameters: Any) -> str:
    found = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar()
    [plan] = found if isinstance(found, list) else json.loads(found)
    return "\n".join(_steps(plan["Plan"]))


def _steps(node: dict[str, Any]) -> Iterator[str]:
    kind, table = node["Node Type"], node.get("Relation Name", "")
    index = node.get("Index Name", "")
    yield f"{kind} {table} {index} {node.get('Sort Key', '')}".strip()
    for child in node.get("Plans", ()):
        yield from _steps(child)


def costly(plan: str) -> list[str]:
    """The steps of a plan that read all jobs, or sort them."""
    return [
        step
        for step in plan.splitlines()
        if re.match(r"SCAN jobs", step)
        or re.match(r"(Seq|Parallel Seq|Bitmap Heap) Scan jobs", step)
        or re.match(r"Sort|Incremental Sort|USE TEMP B-TREE|WindowAgg", step)
    ]
