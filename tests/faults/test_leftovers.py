"""A process killed at every step between bytes and row: what it leaves is swept, and no more."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from sqlalchemy import select, update

from core.database.clock import now
from core.database.models import Artifact, Duty, Job, JobProgress, Snapshot, UnnamedBlob
from core.jobs import deletion, endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.retention.maintenance import maintain
from core.retention.policy import Policy
from tests.faults.steps import SCENARIOS

POLICY = Policy(unnamed_s=0.0)


@pytest.fixture
def end_at(database_address, storage):
    """Lets a process do something, and die before its step of a number; says how it ended."""
    started = []

    def start(scenario):
        program = [sys.executable, "-m", "tests.faults.steps"]
        process = subprocess.Popen(
            [*program, database_address, str(storage.folder), scenario],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)

        def end(number):
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        return end

    yield start
    for process in started:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def sweep(database, storage):
    """The housekeeping until nothing is left to do, with its pauses passed over."""
    for _ in range(2):  # found, deleted
        with database.writing() as session:
            session.execute(update(Duty).values(due_at=now()))
            session.execute(update(UnnamedBlob).values(due_at=now()))
        while maintain(database, storage, POLICY):
            pass


def named(database):
    with database.reading() as session:
        found = set(session.scalars(select(Artifact.sha256)))
        return found | set(session.scalars(select(Snapshot.sha256)))


def there(storage):
    return {path.name for path in storage.folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whatever_is_cut_off_the_sweep_leaves_exactly_what_rows_name(
    database, storage, end_at, scenario
):
    end, number, status = end_at(scenario), 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        number += 1
        status = end(number)

        sweep(database, storage)
        assert there(storage) == named(database), f"killed before step {number}"
        end_the_run(database)
    assert status == 0
    assert number > 5  # files and commits

    remove_everything(database)
    sweep(database, storage)
    assert there(storage) == named(database) == set()


def end_the_run(database):
    """What others do about a worker that was killed, so that the next run is the first in line."""
    with database.writing() as session:
        is_leased = JobProgress.lease_token.is_not(None)
        session.execute(update(JobProgress).where(is_leased).values(lease_expires_at=now(-1)))
    for job_id in endings.reap(database, 600):
        lifecycle.pause(database, job_id, LOCAL_OWNER)


def remove_everything(database):
    with database.reading() as session:
        ids = session.scalars(select(Job.id)).all()
    for job_id in ids:
        deletion.delete(database, job_id, LOCAL_OWNER, 0.0)
