"""The lanes of the queues: who waits where, and who is first."""

import threading

import pytest
from sqlalchemy import select, update

from core.database.clock import now
from core.database.engine import Database
from core.database.models import Job, Lane
from core.jobs import endings, lanes, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.jobs.capacity import Capacity, Requirements
from core.jobs.recorder import Recorder
from core.jobs.snapshots import SnapshotRef
from core.protocol.reports import Started
from core.storage.blobs import Blob
from tests.core.jobs.conftest import claim, needs, submit

EVERYTHING = Capacity(8, 8, has_gpus=True, threads=8)
STARTED = Started(
    device="CPU", device_kind="cpu", threads=2, precision="fp32", epochs=1, batches=10
)


def lane_of(database, job_id):
    """The queue of a job's lane, and what the jobs there need."""
    with database.reading() as session:
        lane = session.scalars(select(Lane).join(Job).where(Job.id == job_id)).one()
        return lane.queue, lanes.needs_of(lane)


def interrupt(database, claimant):
    """A run that has a snapshot goes back to the queue."""
    lease = claim(database, claimant)
    recorder = Recorder(database, lease, 30)
    recorder.record(STARTED)
    recorder.secure(SnapshotRef(0, 5, Blob("5" * 64, 5)))
    recorder.flush()
    return lease


def test_jobs_that_need_the_same_share_a_lane(database):
    first, second = submit(database), submit(database, priority=3)
    others = [submit(database, queue="other"), submit(database, devices=2)]

    assert first.lane_id == second.lane_id
    assert len({job.lane_id for job in (first, *others)}) == 3
    assert lane_of(database, others[1].id) == ("default", needs("auto", 2))


def test_racing_threads_make_a_lane_once(database, database_address):
    found = []

    def find():
        with Database(database_address) as own, own.writing() as session:
            found.append(lanes.find(session, "night", Requirements("cuda", 2, "bf16", 3), "ada"))

    threads = [threading.Thread(target=find) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 6
    assert len(set(found)) == 1


def test_a_run_that_has_a_snapshot_waits_among_those_that_are_bound_alike(database, claimant):
    job = submit(database)
    endings.end(database, interrupt(database, claimant), "drained")

    pinned = needs("cpu", 1, "fp32", 2)
    assert lane_of(database, job.id) == ("default", pinned)
    with database.reading() as session:
        assert [each.needs for each in lanes.heads(session, ["default"], EVERYTHING)] == [pinned]


@pytest.mark.parametrize("from_scratch", [False, True])
def test_a_retry_waits_where_what_it_needs_now_is(database, claimant, from_scratch):
    job = submit(database)
    lease = interrupt(database, claimant)
    endings.end(database, lease, "failed")

    lifecycle.retry(database, job.id, LOCAL_OWNER, from_scratch=from_scratch)

    wanted = needs("auto", 1) if from_scratch else needs("cpu", 1, "fp32", 2)
    assert lane_of(database, job.id) == ("default", wanted)


def test_the_heads_come_in_the_order_of_the_claim(database):
    submit(database)
    first = submit(database, priority=2).id
    urgent = submit(database, devices=2, priority=5).id
    older = submit(database, device="cpu", priority=2).id
    submit(database, queue="other", priority=9)
    not_due = submit(database, device="cuda", priority=9).id
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == not_due).values(available_at=now(60)))

    with database.reading() as session:
        found = lanes.heads(session, ["default"], EVERYTHING)
        small = lanes.heads(session, ["default"], Capacity(1, 1))

    assert [head.job_id for head in found] == [urgent, first, older]
    assert [head.job_id for head in small] == [first, older]
