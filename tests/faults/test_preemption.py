"""A run gives way to one of a higher priority on the only worker, whatever happens meanwhile."""

from __future__ import annotations

import signal

from core.jobs import lifecycle, policies
from core.jobs.actors import LOCAL_OWNER
from core.spec.presets import resolve
from tests.faults.conftest import (
    QUICK_DIGITS,
    STEADY_DIGITS,
    VARIANT,
    on_sqlite,
    trains,
)
from tests.services import wait_until

# so long that it is not about to end by itself, which would be waited for
LONG = STEADY_DIGITS | {"epochs": 300}


def allow(database):
    with database.writing() as session:
        policies.put(session, LOCAL_OWNER, "default", preempts=True)


def submit_high(database):
    spec = resolve("quick", QUICK_DIGITS)
    return lifecycle.submit(database, LOCAL_OWNER, name="high", spec=spec, priority=5)


@on_sqlite
def test_the_running_one_gives_way_and_ends_with_the_weights_of_an_undisturbed_run(
    start_worker, submit, database, verify, look, attempts_of
):
    """The verifier compares the weights."""
    allow(database)
    start_worker()
    low = submit(LONG)
    wait_until(trains(look, low), "it trains")

    high = submit_high(database)

    verify({high: "succeeded", low: "succeeded"})
    first, second = attempts_of(low)
    assert (first.outcome, first.reason.code) == ("paused", "run.yielded")
    assert second.first_step == first.secured_step > 0
    [only] = attempts_of(high)
    assert first.finished_at <= only.started_at <= only.finished_at <= second.started_at
    assert (look(low).crashes, look(low).losses) == (0, 0)


@on_sqlite
@VARIANT
def test_a_worker_that_is_killed_before_its_run_gave_way_is_lost_and_both_end(
    start_worker, submit, database, verify, look, attempts_of
):
    allow(database)
    worker = start_worker()
    low = submit(LONG | {"epochs": 900})
    wait_until(trains(look, low), "it trains")
    worker.trainer().send_signal(signal.SIGSTOP)  # it does not answer
    high = submit_high(database)
    wait_until(lambda: look(low).progress.yields_to == high.id, "it is asked to give way")

    worker.kill()
    start_worker()

    verify({high: "succeeded", low: "succeeded"}, timeout=240)
    assert attempts_of(low)[0].outcome == "lost"
    assert look(low).progress.yields_to is None
