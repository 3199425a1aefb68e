"""The constraints of the jobs' tables: impossible rows are refused by the database itself."""

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from core.database.clock import now
from core.database.models import Attempt, Job, JobProgress
from tests.core.jobs.conftest import claim, submit


@pytest.mark.parametrize(
    "values",
    [
        {"state": "sleeping"},
        {"desired": "explode"},
        {"state": "running"},
        {"state": "succeeded"},
        {"finished_at": now()},
        {"state": "paused"},
        {"state": "queued", "desired": "pause"},
        {"state": "queued", "desired": "cancel"},
        {"state": "cancelled", "finished_at": now()},
        {"state": "failed"},
        {"state": "running", "attempt": 1},
    ],
)
def test_the_database_refuses_impossible_rows(database, values):
    submit(database)

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(update(Job).values(values))


@pytest.mark.parametrize(
    "values",
    [
        {"worker_id": None},
        {"attempt": 0},
    ],
)
def test_the_database_refuses_an_impossible_running_job(database, claimant, values):
    submit(database)
    claim(database, claimant)

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(update(Job).values(values))


@pytest.mark.parametrize("values", [{"lease_token": "x"}, {"lease_expires_at": now(9)}])
def test_the_database_refuses_a_lease_that_never_expires_or_is_nobodys(database, values):
    submit(database)

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(update(JobProgress).values(values))


def test_the_database_refuses_two_open_attempts_of_one_job(database, claimant):
    job = submit(database)
    claim(database, claimant)
    second = {"job_id": job.id, "number": 2, "worker_id": claimant.worker_id, "started_at": now()}

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(insert(Attempt).values(second))


@pytest.mark.parametrize(
    "values", [{"outcome": "bored", "finished_at": now()}, {"outcome": "lost"}, {"number": 2}]
)
def test_the_database_refuses_impossible_attempts(database, claimant, values):
    submit(database)
    claim(database, claimant)
    if "number" in values:
        values = values | {"worker_id": 999}  # there is no such worker

    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(update(Attempt).values(values))
