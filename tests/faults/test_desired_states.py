"""Cancel, pause and resume, whenever they come."""

from __future__ import annotations

import random
import signal

import pytest

from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER, Actor
from core.messaging.pubsub import Wakeups
from tests.faults.conftest import (
    LONG_DIGITS,
    QUICK_DIGITS,
    STEADY_DIGITS,
    VARIANT,
    has_snapshot,
    trains,
)
from tests.services import is_gone, wait_until, wait_until_gone


@pytest.fixture
def cancel(database, settings):
    def ask(job):
        lifecycle.cancel(database, job.id, LOCAL_OWNER)
        Wakeups(settings.redis_url).announce("asked", job.id)

    return ask


@pytest.fixture
def pause(database, settings):
    def ask(job):
        lifecycle.pause(database, job.id, Actor("user", "u", "ada", "administrator"))
        Wakeups(settings.redis_url).announce("asked", job.id)

    return ask


# the state alone keeps it from a claim, and tests/core/jobs/test_lifecycle.py has the state
@VARIANT
def test_a_queued_job_is_cancelled_and_never_runs(start_worker, submit, cancel, verify, look):
    job = submit(QUICK_DIGITS)
    cancel(job)
    start_worker()
    other = submit(QUICK_DIGITS)

    verify({other: "succeeded", job: "cancelled"})

    assert look(job).attempt == 0


def test_a_run_is_cancelled_whatever_it_does_and_no_process_is_left_when_it_says_so(
    start_worker_with_disk, disk_faults, submit, cancel, verify, look, lines_of
):
    """One worker after the other would show the same, and take four times as long to start."""
    # nothing but the wake-up makes it look soon
    worker = start_worker_with_disk(lease_seconds=600.0, grace_seconds=1.0)

    def its_trainer():
        wait_until(lambda: len(worker.trainers()) == 1, "there is one trainer")
        return worker.trainer()

    def trained():
        job = submit(LONG_DIGITS)
        wait_until(trains(look, job), "it trains")
        return job, its_trainer()

    def is_cancelled(job, trainer):
        wait_until(lambda: look(job).state == "cancelled", "it is cancelled")
        assert is_gone(trainer)

    spare = its_trainer()
    starting = submit(LONG_DIGITS)
    wait_until(lambda: look(starting).state == "running", "it is claimed")
    cancel(starting)
    is_cancelled(starting, spare)

    training, trainer = trained()
    cancel(training)
    is_cancelled(training, trainer)

    writing, trainer = trained()
    (disk_faults / "hangs").touch()
    wait_until(lambda: any(f.path.endswith(".part") for f in trainer.open_files()), "it writes")
    cancel(writing)
    wait_until_gone([trainer])  # its grace ends while it writes
    (disk_faults / "hangs").unlink()
    is_cancelled(writing, trainer)

    deaf, trainer = trained()
    trainer.send_signal(signal.SIGSTOP)
    cancel(deaf)
    is_cancelled(deaf, trainer)
    assert any("did not stop within 1 s" in line for line in lines_of(deaf))

    verify(dict.fromkeys([starting, training, writing, deaf], "cancelled"))


@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=VARIANT), pytest.param(2, marks=VARIANT)]
)
def test_a_cancel_that_races_the_end_has_one_outcome(
    start_worker, submit, cancel, verify, look, seed, attempts_of
):
    worker = start_worker()
    chance = random.Random(seed)
    jobs = {}
    for _ in range(4):
        job = submit(QUICK_DIGITS | {"epochs": 4})
        epoch = chance.choice([1, 3, 4])
        wait_until(
            lambda job=job, epoch=epoch: look(job).progress.epoch >= epoch or look(job).finished_at,
            "it is nearly done",
        )
        cancel(job)
        wait_until(lambda job=job: look(job).finished_at, "it has ended")
        jobs[job] = look(job).state

    verify(jobs)
    assert set(jobs.values()) <= {"succeeded", "cancelled"}
    assert worker.is_running()
    assert all(len(attempts_of(job)) == 1 for job in jobs)


def test_a_paused_job_frees_its_slot_and_resumes_elsewhere(
    start_worker, submit, pause, verify, look, database, attempts_of
):
    worker = start_worker()
    job = submit(STEADY_DIGITS)
    wait_until(trains(look, job), "it trains")
    trainer = worker.trainer()

    pause(job)
    wait_until(lambda: look(job).state == "paused", "it is paused")

    assert is_gone(trainer)
    other = submit(QUICK_DIGITS)
    verify({other: "succeeded", job: "paused"})
    worker.send(signal.SIGTERM)
    worker.wait(60)
    start_worker()
    lifecycle.resume(database, job.id, LOCAL_OWNER)
    verify({job: "succeeded"})
    first, second = attempts_of(job)
    assert (first.outcome, look(job).crashes, look(job).losses) == ("paused", 0, 0)
    assert second.first_step == first.secured_step


# tests/core/test_housekeeping.py: a pause of a run whose worker is gone ends too
@VARIANT
def test_a_paused_job_whose_worker_is_killed_stays_paused(
    start_worker, submit, pause, verify, look, database
):
    first = start_worker()
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "it trains")
    first.send(signal.SIGSTOP)
    pause(job)
    first.kill()
    start_worker()

    verify({job: "paused"})

    lifecycle.resume(database, job.id, LOCAL_OWNER)
    verify({job: "succeeded"})
