"""A user of PostgreSQL with the rights that the docs give it runs the queue, and drops no table."""

import re
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from core.database import engine
from core.database.engine import Database
from core.database.models import Job
from core.jobs import claim, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.spec.presets import resolve
from tests.core.jobs.waiting import start_worker

PAGE = Path(__file__).parents[3] / "docs/how-to/production.md"
GRANTS = re.findall(
    r"^    ((?:CREATE ROLE|GRANT|ALTER DEFAULT) .*;)$", PAGE.read_text(), re.MULTILINE
)


@pytest.fixture
def address(postgres):
    """The address of a database of tables, for whoever may read and write rows alone."""
    owner = make_url(postgres.new_database())
    plain = owner.set(drivername="postgresql").render_as_string()
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS trainyard_rows")
        for line in GRANTS:
            connection.execute(line)
        engine.upgrade(owner.render_as_string())  # the tables that come later are granted too
        yield owner.set(username="trainyard_rows").render_as_string()
        connection.execute("DROP OWNED BY trainyard_rows")
        connection.execute("DROP ROLE trainyard_rows")


def test_whoever_may_read_and_write_rows_runs_the_queue_and_changes_no_table(address):
    assert len(GRANTS) == 6
    with Database(address, pool_size=2) as database:
        worker = start_worker(database)
        job = lifecycle.submit(database, LOCAL_OWNER, name="x", spec=resolve("quick", {}))
        endings.succeed(database, claim.claim(database, worker, 30), "c" * 64, [])
        with database.reading() as session:
            assert session.get_one(Job, job.id).state == "succeeded"
        for forbidden in ("DROP TABLE epochs", "ALTER TABLE jobs ADD COLUMN x int"):
            with (
                pytest.raises(ProgrammingError, match="must be owner of table"),
                database.writing() as session,
            ):
                session.execute(text(forbidden))
