"""A database that is away, restarts, hangs, or whose answers are lost."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import make_url

from tests.faults.conftest import (
    LEASE_S,
    QUICK_DIGITS,
    STEADY_DIGITS,
    VARIANT,
    on_postgresql,
    on_sqlite,
    trains,
)
from tests.services import is_gone, wait_until

THE_CLAIM = "UPDATE jobs SET state="
THE_RENEWAL = "last_heartbeat_at="
THE_END = "weights_sha256="


@pytest.mark.parametrize(
    "statement",
    [THE_CLAIM, pytest.param(THE_RENEWAL, marks=VARIANT), pytest.param(THE_END, marks=VARIANT)],
)
@on_postgresql
def test_the_answer_to_a_commit_may_be_lost(
    proxied, start_worker, submit, look, verify, attempts_of, statement
):
    proxy, address = proxied
    worker = start_worker(database_url=address)
    happened = proxy.cut_at_commit_after(statement)

    job = submit(QUICK_DIGITS | {"epochs": 40})

    verify({job: "succeeded"})
    assert happened.is_set()
    assert len(attempts_of(job)) == 1
    assert worker.is_running()


@on_postgresql
def test_postgresql_may_crash_and_restart_while_jobs_wait_run_and_end(
    postgres, start_worker, submit, look, verify, attempts_of
):
    start_worker(slots=2)
    long = submit(STEADY_DIGITS)
    wait_until(trains(look, long), "it trains")
    jobs = [submit(QUICK_DIGITS | {"seed": seed}) for seed in range(4)]

    for _ in range(4):
        postgres.stop()
        postgres.start()

    verify(dict.fromkeys([long, *jobs], "succeeded"))
    assert outcomes(attempts_of, long) <= {"succeeded", "drained"}


def outcomes(attempts_of, job):
    return {attempt.outcome for attempt in attempts_of(job)}


@pytest.fixture
def unharmed(start_worker, submit, look, verify, attempts_of):
    """Has two workers train, lets something last for two leases, and sees what that cost.

    No worker knows whether it alone is cut off, so the trainers have saved and ended. It costs the
    time, and none of what a run has been given to lose.
    """

    @contextmanager
    def through(**changes):
        workers = [start_worker(**changes) for _ in range(2)]
        jobs = [submit(STEADY_DIGITS | {"seed": seed}) for seed in range(2)]
        wait_until(lambda: all(trains(look, job)() for job in jobs), "both train")
        trainers = [worker.trainer() for worker in workers]

        def last_for_two_leases():
            began = time.monotonic()
            wait_until(lambda: time.monotonic() - began > 2 * LEASE_S, "two leases have passed")

        yield last_for_two_leases
        assert all(is_gone(trainer) for trainer in trainers)
        verify(dict.fromkeys(jobs, "succeeded"))
        for job in jobs:
            assert outcomes(attempts_of, job) == {"drained", "succeeded"}
            assert (look(job).crashes, look(job).losses) == (0, 0)

    return through


@on_postgresql
def test_no_live_run_is_lost_while_the_database_is_away_for_longer_than_a_lease(postgres, unharmed):
    with unharmed() as last_for_two_leases:
        postgres.stop()
        last_for_two_leases()
        postgres.start()


@VARIANT
@on_sqlite
def test_no_live_run_is_lost_while_sqlite_is_locked_for_longer_than_a_lease(
    database_address, unharmed
):
    path = make_url(database_address).database
    with unharmed() as last_for_two_leases, closing(sqlite3.connect(path, timeout=60)) as other:
        other.execute("BEGIN EXCLUSIVE")
        last_for_two_leases()
        other.rollback()


@VARIANT
@on_postgresql
def test_no_live_run_is_lost_when_every_connection_stalls_for_longer_than_a_lease(
    proxied, unharmed
):
    proxy, address = proxied
    with unharmed(database_url=address) as last_for_two_leases:
        proxy.stall()
        last_for_two_leases()
        proxy.heal()
