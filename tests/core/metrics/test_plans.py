"""Samples and buckets are found by index: a page costs the same however long the run is."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import event, text

from core.metrics import curves
from tests import longrun

QUESTIONS = {
    "a page of samples": lambda session, job: curves.after(session, job, 70_000, 100),
    "the whole curve": lambda session, job: curves.curve(session, job, 400),
    "a part of the curve": lambda session, job: curves.curve(session, job, 50, 30_000, 60_000),
    "single samples": lambda session, job: curves.curve(session, job, 400, 30_000, 30_300),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_nothing_is_scanned_and_nothing_is_sorted(database, question):
    for _ in range(2):
        run = longrun.write(database, samples=80_000, epochs=1, lines=1)

    found = list(plans(database, question, run.lease.job_id))

    assert found
    for plan in found:
        assert "SCAN" not in plan.replace("SCALAR", "")
        assert "Seq Scan" not in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


def plans(database, question, job_id):
    """The plan of each statement that a question takes, as the database tells it."""
    asked = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, parameters, _context, _many):
        asked.append((statement, parameters))

    with database.reading() as session:
        question(session, job_id)
    event.remove(database.engine, "before_cursor_execute", note)
    is_postgresql = database.engine.dialect.name == "postgresql"
    with database.writing() as session:  # a transaction: what is set holds in it
        if is_postgresql:
            # The tables of a test are so small that to read or to sort them whole would be the
            # cheapest: what is left of that is what no index can spare.
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(text("SET LOCAL enable_sort = off"))
        explain = "EXPLAIN (FORMAT JSON) " if is_postgresql else "EXPLAIN QUERY PLAN "
        for statement, parameters in asked:
            if statement.startswith("SELECT"):
                rows = session.connection().exec_driver_sql(explain + statement, parameters)
                yield json.dumps([list(row) for row in rows])
