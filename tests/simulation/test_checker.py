"""What the checker of the fault suite says of workers that are to rest."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from core import workers
from core.database.models import Worker
from core.jobs import claim as claiming
from core.jobs import endings, lifecycle, rests
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import EVERYTHING, of_dataset
from core.jobs.claim import Claimant
from core.workers import WorkerFacts
from tests.faults import checker
from tests.simulation.trainer import spec
from tests.simulation.worker import LEASE_S, failure_of


@pytest.fixture
def worker(database):
    """A worker that met something which it could not do, with two runs that wait."""
    for dataset in ("digits", "mnist"):
        lifecycle.submit(database, LOCAL_OWNER, name="a", spec=spec(1, 1, dataset=dataset))
    facts = WorkerFacts("w", 1, "0", ["default"], [{"kind": "cpu"}], 1, 1)
    return Claimant(workers.register(database, facts), ["default"], name="w")


def fail(database, worker, work):
    lease = claiming.claim(database, worker, LEASE_S)
    endings.end(database, lease, "worker_fault", failure_of(work))


def forget_rests(database):
    with database.writing() as session:
        session.execute(update(Worker).values(rests=[]))


@pytest.mark.parametrize("work", [EVERYTHING, of_dataset("digits")])
def test_work_that_a_worker_takes_while_it_is_to_rest_is_found(database, worker, work):
    fail(database, worker, work)
    forget_rests(database)

    claiming.claim(database, worker, LEASE_S)

    [problem] = checker.broken_rests(database)
    assert problem.startswith("job 1: w took it, and rested after ")


def test_other_work_may_be_taken(database, worker):
    fail(database, worker, of_dataset("digits"))

    assert claiming.claim(database, worker, LEASE_S).job_id == 2

    assert checker.broken_rests(database) == []


def test_a_person_may_end_a_rest(database, worker):
    fail(database, worker, EVERYTHING)
    rests.resume(database, worker.worker_id, LOCAL_OWNER)

    assert claiming.claim(database, worker, LEASE_S).job_id == 1

    assert checker.broken_rests(database) == []
