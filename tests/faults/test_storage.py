"""Snapshots that are damaged, a file store that cannot be written, and a full disk."""

from __future__ import annotations

import pytest

from core.jobs import lifecycle, rests, snapshots
from core.jobs.actors import LOCAL_OWNER
from core.messaging.pubsub import Wakeups
from core.workers import live
from tests.faults.conftest import STEADY_DIGITS, VARIANT, has_snapshot
from tests.services import wait_until

# so that several snapshots are due after the first
PATIENT_DIGITS = STEADY_DIGITS | {"epochs": 300}


@pytest.fixture
def snapshots_of(database):
    def read(job):
        with database.reading() as session:
            return snapshots.newest_first(session, job.id)

    return read


def test_a_damaged_snapshot_is_skipped_for_the_one_before(
    start_worker, submit, look, verify, database, settings, storage, snapshots_of, lines_of
):
    start_worker()
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "there is a snapshot")
    lifecycle.pause(database, job.id, LOCAL_OWNER)
    Wakeups(settings.redis_url).announce("asked", job.id)
    wait_until(lambda: look(job).state == "paused", "it is paused")
    newest, older = snapshots_of(job)
    file = storage.folder / newest.blob.sha256[:2] / newest.blob.sha256
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    lifecycle.resume(database, job.id, LOCAL_OWNER)

    verify({job: "succeeded"})
    log = "\n".join(lines_of(job))
    assert f"after {newest.step} batches is damaged; it is skipped" in log
    assert older.step < newest.step


def test_a_store_that_cannot_be_written_and_a_full_disk_cost_snapshots_but_not_the_run(
    start_worker_with_disk, disk_faults, submit, look, verify, storage, lines_of, attempts_of
):
    start_worker_with_disk()
    job = submit(PATIENT_DIGITS)
    wait_until(has_snapshot(look, job), "there is a snapshot")
    aside = storage.folder.with_name("aside")

    def is_logged(words):
        return lambda: any(words in line for line in lines_of(job))

    storage.folder.rename(aside)
    storage.folder.write_text("in the way")
    wait_until(is_logged("could not be stored"), "it says so")
    storage.folder.unlink()
    aside.rename(storage.folder)
    (disk_faults / "full").touch()
    wait_until(is_logged("could not be written"), "it says so")
    (disk_faults / "full").unlink()

    verify({job: "succeeded"})
    assert len(attempts_of(job)) == 1
    assert is_logged("No space left")()


@VARIANT
def test_a_disk_that_is_full_at_the_end_sends_the_run_back_and_rests_the_worker(
    start_worker_with_disk, disk_faults, submit, look, verify, database, attempts_of
):
    start_worker_with_disk()
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "there is a snapshot")
    (disk_faults / "full").touch()

    wait_until(lambda: look(job).state == "queued", "it is sent back")
    with database.reading() as session:
        [worker] = live(session)
        [rest] = rests.parse(worker.rests)
    assert (rest.work, rest.kind) == ("everything", "storage")
    (disk_faults / "full").unlink()
    rests.resume(database, worker.id, LOCAL_OWNER)

    verify({job: "succeeded"})
    returned, done = attempts_of(job)
    assert returned.outcome == "worker_fault"
    assert done.first_step == returned.secured_step > 0
