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

# What says that it will end within seconds is waited for, and not asked. So this one says minutes,
# on the fastest machine too, and ends after some fifty of its epochs, when it gets no better: by
# its whole past, before the pause and after it.
LONG = STEADY_DIGITS | {
    "epochs": 1000,
    "batch_size": 16,
    "schedule": {"kind": "cosine"},
    "data": {"validation": 0.2},
    "stopping": {"patience": 10},
}


def allow(database):
    with database.writing() as session:
        policies.put(session, LOCAL_OWNER, "default", preempts=True)


def submit_high(database):
    spec = resolve("quick", QUICK_DIGITS)
    return lifecycle.submit(database, LOCAL_OWNER, name="high", spec=spec, priority=5)


def preempt(worker, low, look, database):
    """Have a run that trains asked to give way. Its trainer stands still: it cannot end before."""
    wait_until(trains(look, low), "it trains")
    worker.trainer().send_signal(signal.SIGSTOP)
    high = submit_high(database)
    wait_until(lambda: look(low).progress.yields_to == high.id, "it is asked to give way")
    return high


@on_sqlite
def test_the_running_one_gives_way_and_ends_with_the_weights_of_an_undisturbed_run(
    start_worker, submit, database, verify, look, attempts_of
):
    """The verifier compares the weights."""
    allow(database)
    worker = start_worker()
    low = submit(LONG)
    high = preempt(worker, low, look, database)
    assert look(high).state == "queued"

    worker.trainer().send_signal(signal.SIGCONT)

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
    low = submit(LONG)
    high = preempt(worker, low, look, database)

    worker.kill()
    start_worker()

    verify({high: "succeeded", low: "succeeded"})
    assert attempts_of(low)[0].outcome == "lost"
    assert look(low).progress.yields_to is None
