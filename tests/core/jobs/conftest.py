"""What several tests of the jobs set up."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from core import queries
from core.database.clock import now
from core.database.models import Attempt, Job, JobProgress
from core.jobs import claim as claiming
from core.jobs import lanes, lifecycle, sharing, snapshots
from core.jobs.actors import LOCAL_OWNER, Actor
from core.jobs.capacity import Capacity, Requirements, requirements
from core.jobs.claim import Claimant
from core.jobs.snapshots import SnapshotRef
from core.spec import presets
from core.storage.blobs import Blob

ADA = Actor("user", "7", "Ada", "administrator")
ONE_GPU = Capacity(1, 1, has_gpus=True)
TWO_GPUS = Capacity(2, 2, has_gpus=True)


def submit(database, **options):
    changes = {name: options.pop(name) for name in ("device", "devices") if name in options}
    chosen = presets.resolve("quick", {"dataset": "digits"} | changes)
    return lifecycle.submit(database, LOCAL_OWNER, name="job", spec=chosen, **options)


def needs(*bound, **also):
    """What a job of `submit` needs."""
    return Requirements(*bound, **also, dataset="digits")


def claim(database, claimant, held=None):
    return claiming.claim(database, claimant, 30, held)


def look(database, job_id):
    with database.reading() as session:
        return queries.job(session, job_id)[0]


def attempts(database, job_id):
    with database.reading() as session:
        return session.scalars(select(Attempt).where(Attempt.job_id == job_id)).all()


def pin(database, job_id, needs):
    """Bind a queued job, as its first snapshot and its way back to the queue would."""
    with database.writing() as session:
        job = session.get_one(Job, job_id)
        job.device, job.devices = needs.device, needs.devices
        job.pinned_precision, job.pinned_threads = needs.precision, needs.threads
        job.lane_id = lanes.find(session, job.queue, requirements(job), sharing.owner_of(job))


def expire(database, job_id):
    with database.writing() as session:
        session.execute(
            update(JobProgress).where(JobProgress.job_id == job_id).values(lease_expires_at=now(-1))
        )


@pytest.fixture
def large(claimant):
    """A worker with two GPUs, each divided into two slots."""
    return Claimant(claimant.worker_id, ["default"], Capacity(4, 2, has_gpus=True))


def secure(database, job_id, step=10, attempt=1):
    with database.writing() as session:
        snapshots.add(session, job_id, attempt, SnapshotRef(1, step, Blob(f"{step:064}", 5)))


def steps(database, job_id):
    with database.reading() as session:
        return [snapshot.step for snapshot in snapshots.newest_first(session, job_id)]
