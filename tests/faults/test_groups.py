"""Runs on several devices, whose worker is killed, drained, or loses its zygote."""

from __future__ import annotations

import signal

import pytest

from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from tests.faults.conftest import QUICK_DIGITS, STEADY_DIGITS, VARIANT, has_snapshot, trains
from tests.services import is_gone, wait_until, wait_until_gone

TWO = STEADY_DIGITS | {"epochs": 30, "devices": 2, "device": "cpu"}


@pytest.fixture
def undisturbed(look):
    """Waits until a run has succeeded; what it has ended with."""

    def wait_for(job):
        wait_until(lambda: look(job).state == "succeeded", "it has succeeded", 120)
        return look(job).weights_sha256

    return wait_for


def test_a_killed_workers_group_resumes_elsewhere_to_the_same_weights(
    start_worker, submit, look, attempts_of, undisturbed
):
    first = start_worker(slots=2)
    expected = undisturbed(submit(TWO))
    job = submit(TWO)
    wait_until(has_snapshot(look, job), "there is a snapshot")
    processes = first.all_processes()
    assert len(processes) == 3

    first.kill()

    wait_until_gone(processes)
    start_worker(slots=2)
    assert undisturbed(job) == expected
    lost, done = attempts_of(job)
    assert (lost.outcome, done.outcome) == ("lost", "succeeded")
    assert done.first_step == lost.secured_step > 0


@VARIANT
def test_a_group_that_stands_still_dies_with_its_worker(start_worker, submit, look):
    worker = start_worker(slots=2)
    job = submit(TWO)
    wait_until(trains(look, job), "it trains")
    zygote, *trainers = worker.all_processes()
    for trainer in trainers:
        trainer.send_signal(signal.SIGSTOP)

    worker.kill()

    wait_until_gone([zygote, *trainers])


@VARIANT
def test_a_drained_workers_group_is_handed_back_with_a_snapshot_at_no_cost(
    start_worker, submit, look, attempts_of
):
    worker = start_worker(slots=2)
    job = submit(TWO | {"epochs": 1000})
    wait_until(trains(look, job), "it trains")
    processes = worker.all_processes()

    worker.send(signal.SIGTERM)

    assert worker.wait(30) == 0
    assert not [process for process in processes if not is_gone(process)]
    assert (look(job).state, look(job).crashes, look(job).losses) == ("queued", 0, 0)
    [attempt] = attempts_of(job)
    assert attempt.outcome == "drained"
    assert attempt.secured_step > 0


@VARIANT
def test_a_group_does_not_notice_that_its_zygote_is_killed(start_worker, submit, look, undisturbed):
    worker = start_worker(slots=2)
    job = submit(TWO)
    wait_until(trains(look, job), "it trains")

    worker.zygote.kill()

    later = submit(TWO | QUICK_DIGITS)
    undisturbed(job)
    undisturbed(later)
    assert look(job).attempt == 1


# tests/worker/test_claiming.py has the same slots and claims, without the training
@VARIANT
def test_small_runs_wait_for_a_large_one_and_start_with_redis_away(
    start_worker, submit, look, undisturbed, database
):
    """Rings are no part of it: submitting here rings for nobody."""
    start_worker(slots=2)
    first = submit(STEADY_DIGITS)
    wait_until(trains(look, first), "it trains")
    large, *small = submit(TWO), submit(QUICK_DIGITS), submit(QUICK_DIGITS)

    lifecycle.cancel(database, first.id, LOCAL_OWNER)
    for job in (large, *small):
        undisturbed(job)

    starts = [look(job).started_at for job in (large, *small)]
    assert starts == sorted(starts)
    assert min(starts[1:]) >= look(large).finished_at
