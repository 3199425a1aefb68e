"""Workers that are killed, stopped, cut off, drained, or whose clock is wrong."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import libfaketime
import pytest

from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from tests.faults.conftest import (
    LEASE_S,
    QUICK_DIGITS,
    STEADY_DIGITS,
    VARIANT,
    has_snapshot,
    on_postgresql,
    trains,
)
from tests.faults.proxy import Proxy
from tests.services import is_gone, wait_until, wait_until_gone
from worker import health

AN_HOUR = "3600"


# the clock's test below does the same, and more
@VARIANT
def test_a_killed_workers_job_resumes_elsewhere_from_its_snapshot(
    start_worker, submit, look, verify, attempts_of
):
    first = start_worker()
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "there is a snapshot")
    processes = first.all_processes()

    first.kill()

    wait_until_gone(processes)
    start_worker()
    verify({job: "succeeded"})
    lost, done = attempts_of(job)
    assert (lost.outcome, done.outcome) == ("lost", "succeeded")
    assert done.first_step == lost.secured_step > 0


def test_a_worker_that_starts_takes_back_at_once_what_its_dead_predecessor_held(
    start_worker, submit, look, verify, attempts_of
):
    first = start_worker(lease_seconds=600.0)
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "there is a snapshot")

    first.kill()
    start_worker(lease_seconds=600.0)

    verify({job: "succeeded"})
    lost, _ = attempts_of(job)
    assert (lost.outcome, lost.reason.code) == ("lost", "worker.ended")
    assert look(job).losses <= 1


def test_a_stopped_worker_loses_its_job_and_leaves_no_trace_when_it_continues(
    start_worker, submit, look, verify, attempts_of
):
    first = start_worker()
    job = submit(STEADY_DIGITS)
    wait_until(trains(look, job), "it trains")
    trainer = first.trainer()

    first.send(signal.SIGSTOP)
    wait_until_gone([trainer])  # by itself: it was not told that its lease was renewed
    second = start_worker()
    wait_until(lambda: look(job).attempt == 2 and look(job).state == "running", "it runs elsewhere")
    first.send(signal.SIGCONT)

    verify({job: "succeeded"})
    assert [a.outcome for a in attempts_of(job)] == ["lost", "succeeded"]
    assert first.is_running()
    assert second.is_running()


# cut: it knows at once; stalled: a write of it is on its way, and arrives late
@pytest.mark.parametrize(
    "fault", [pytest.param(Proxy.cut, marks=VARIANT), Proxy.stall], ids=["cut", "stalled"]
)
@on_postgresql
def test_a_worker_that_is_cut_off_loses_its_job_and_its_writes_are_refused(
    proxied, start_worker, submit, look, verify, attempts_of, fault
):
    proxy, address = proxied
    first = start_worker(database_url=address)
    job = submit(STEADY_DIGITS)
    wait_until(trains(look, job), "it trains")
    trainer = first.trainer()

    fault(proxy)
    wait_until_gone([trainer])  # by itself: nobody is there who could have taken the job
    start_worker()
    wait_until(lambda: look(job).attempt == 2 and look(job).progress.epoch > 0, "it runs elsewhere")
    proxy.heal()

    verify({job: "succeeded"})
    assert [a.outcome for a in attempts_of(job)] == ["lost", "succeeded"]
    assert first.is_running()


@VARIANT
@on_postgresql
def test_a_worker_that_stands_still_inside_a_transaction_keeps_its_job_from_nobody(
    proxied, start_worker, submit, look, verify, attempts_of
):
    """The server ends its transaction, or the row would stay locked."""
    proxy, address = proxied
    first = start_worker(database_url=address)
    job = submit(STEADY_DIGITS)
    wait_until(trains(look, job), "it trains")

    assert proxy.hold_commit_after("UPDATE jobs").wait(60)
    first.send(signal.SIGSTOP)
    start_worker()

    wait_until(lambda: look(job).attempt == 2, "it runs elsewhere")
    first.send(signal.SIGCONT)
    proxy.heal()
    verify({job: "succeeded"})
    assert [a.outcome for a in attempts_of(job)] == ["lost", "succeeded"]


def test_a_drained_worker_hands_its_jobs_back_with_a_snapshot_at_no_cost(
    start_worker, submit, look, verify, attempts_of
):
    worker = start_worker(slots=2, grace_seconds=10.0)
    jobs = [submit(STEADY_DIGITS | {"epochs": 60, "seed": seed}) for seed in range(2)]
    wait_until(lambda: all(trains(look, job)() for job in jobs), "all train")
    processes = worker.all_processes()

    for process in processes:
        process.terminate()  # as service managers do that signal every process of a service
    worker.send(signal.SIGTERM)

    assert worker.wait(60) == 0
    assert all(is_gone(process) for process in processes)
    for job in jobs:
        waiting = look(job)
        assert (waiting.state, waiting.crashes, waiting.losses) == ("queued", 0, 0)
        assert waiting.secured_step > waiting.batches  # the place where it was stopped
        assert [a.outcome for a in attempts_of(job)] == ["drained"]
    start_worker(slots=2)
    verify(dict.fromkeys(jobs, "succeeded"))
    for job in jobs:
        first, second = attempts_of(job)
        assert second.first_step == first.secured_step


# cut: the database is away; stalled: nobody knows whether it is
@pytest.mark.parametrize(
    "fault", [Proxy.cut, pytest.param(Proxy.stall, marks=VARIANT)], ids=["cut", "stalled"]
)
@on_postgresql
def test_a_worker_that_is_to_stop_while_the_database_is_away_ends_and_its_job_runs_elsewhere(
    proxied, start_worker, submit, look, verify, attempts_of, fault
):
    proxy, address = proxied
    first = start_worker(database_url=address, grace_seconds=1.0)
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "there is a snapshot")
    processes = first.all_processes()

    fault(proxy)
    first.send(signal.SIGTERM)

    first.wait(120)
    wait_until_gone(processes)
    proxy.heal()
    assert look(job).state == "running"
    start_worker()
    verify({job: "succeeded"})
    assert [a.outcome for a in attempts_of(job)] == ["lost", "succeeded"]


# tests/core/jobs/test_endings.py has reapers race for every lease
@VARIANT
def test_two_reapers_take_each_lost_job_back_once(start_worker, submit, look, verify, attempts_of):
    first = start_worker(slots=3)
    jobs = [submit(QUICK_DIGITS | {"epochs": 40, "seed": seed}) for seed in range(3)]
    wait_until(lambda: all(look(job).state == "running" for job in jobs), "all run")
    first.send(signal.SIGSTOP)
    start_worker(slots=2)
    start_worker(slots=2)
    first.send(signal.SIGKILL)

    verify(dict.fromkeys(jobs, "succeeded"))

    for job in jobs:
        assert [a.outcome for a in attempts_of(job)] == ["lost", "succeeded"]


@on_postgresql  # SQLite has no clock but that of the process
@pytest.mark.parametrize("offset", ["+", pytest.param("-", marks=VARIANT)])
def test_the_clock_of_a_worker_may_be_an_hour_off(
    start_worker, submit, look, verify, attempts_of, offset
):
    library = next(Path(libfaketime.__file__).parent.rglob("libfaketime.so*"))
    crooked = {
        "LD_PRELOAD": str(library),
        "FAKETIME": offset + AN_HOUR,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    first = start_worker(crooked)
    job = submit(STEADY_DIGITS)
    wait_until(has_snapshot(look, job), "it trains")
    assert abs(look(job).progress.last_heartbeat_at.timestamp() - time.time()) < 60

    processes = first.all_processes()
    first.kill()
    wait_until_gone(processes)
    start_worker()

    verify({job: "succeeded"})
    *before, lost, done = attempts_of(job)
    assert (lost.outcome, done.outcome) == ("lost", "succeeded")
    # on a crowded machine a renewal may come too late, and the next attempt be lost as it begins
    assert {attempt.outcome for attempt in before} <= {"drained"}
    *_, newest = [step for each in (*before, lost) if (step := each.secured_step)]
    assert done.first_step == newest


# tests/core/test_housekeeping.py: whoever has just begun to watch reaps nobody
@VARIANT
def test_a_worker_that_starts_reaps_nobody_for_a_lease(start_worker, submit, look, attempts_of):
    """No other worker can be known to be lost before a whole lease has been watched."""
    first = start_worker()
    job = submit(STEADY_DIGITS)
    wait_until(trains(look, job), "it trains")
    first.send(signal.SIGSTOP)
    wait_until(
        lambda: time.time() - look(job).progress.last_heartbeat_at.timestamp() > LEASE_S,
        "its lease runs out",
    )

    second = start_worker()  # it is there
    first.send(signal.SIGCONT)

    wait_until(lambda: look(job).state == "succeeded", "it ends")
    assert second.is_running()
    # its trainer has ended by itself, unless it had finished before
    assert {a.outcome for a in attempts_of(job)} <= {"drained", "succeeded"}


# tests/core/jobs/test_claim.py: a worker gets only what its devices allow
@VARIANT
def test_a_job_for_a_device_that_is_not_there_waits_and_is_not_claimed(
    start_worker, submit, look, verify, database, attempts_of
):
    start_worker()
    job = submit(QUICK_DIGITS | {"device": "cuda"})
    other = submit(QUICK_DIGITS)

    verify({other: "succeeded"})

    assert look(job).state == "queued"
    assert attempts_of(job) == []
    lifecycle.cancel(database, job.id, LOCAL_OWNER)
    assert look(job).state == "cancelled"


def test_the_health_check_knows_a_live_worker(start_worker, settings, monkeypatch):
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TRAINYARD_WORKER_NAME", "worker-1")

    def is_well():
        try:
            health.main()
        except SystemExit:
            return False
        return True

    assert not is_well()
    start_worker()
    wait_until(is_well, "the worker is seen")
