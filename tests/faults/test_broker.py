"""A Redis that is away, restarts, or forgets everything, and messages that come too often."""

from __future__ import annotations

import time

import pytest
import redis

from core.messaging.keys import of_queue
from core.messaging.notify import Notifier
from tests.faults.conftest import QUICK_DIGITS, STEADY_DIGITS, VARIANT, trains
from tests.services import wait_until
from worker.polling import POLL_EVERY_S


# tests/core/jobs/test_claim.py has processes race for each job, and a message makes but a claim
@VARIANT
def test_ten_messages_at_once_and_again_after_success_make_one_run(
    start_worker, submit, verify, settings, attempts_of
):
    start_worker(slots=2)
    start_worker(slots=2)
    job = submit(QUICK_DIGITS)
    notifier = Notifier(settings.redis_url)
    assert all(notifier.notify("default") for _ in range(10))
    verify({job: "succeeded"})

    assert all(notifier.notify("default") for _ in range(10))

    wait_until(lambda: is_received(settings.redis_url), "all messages are received")
    other = submit(QUICK_DIGITS)
    verify({job: "succeeded", other: "succeeded"})
    assert len(attempts_of(job)) == 1


def is_received(redis_url):
    with redis.Redis.from_url(redis_url) as connection:
        return connection.llen(of_queue("default")) == 0


@pytest.mark.parametrize("error", ["WRONGTYPE", pytest.param("read only", marks=VARIANT)])
def test_a_redis_that_answers_with_errors_ends_neither_the_worker_nor_its_runs(
    start_worker, submit, look, verify, redis_server, settings, attempts_of, error
):
    worker = start_worker(slots=2)
    long = submit(STEADY_DIGITS)
    wait_until(trains(look, long), "it trains")

    if error == "WRONGTYPE":
        with redis.Redis.from_url(settings.redis_url) as connection:
            connection.set(of_queue("default"), "a string")
    else:
        redis_server.replicate("127.0.0.1", 1)
    try:
        wait_until(lambda: error in worker.log.read_text(), "the worker says what is wrong")
        during = submit(QUICK_DIGITS)
        verify({during: "succeeded", long: "succeeded"})
    finally:
        redis_server.replicate("NO", "ONE")
        redis_server.flush()

    later = submit(QUICK_DIGITS)
    Notifier(settings.redis_url).notify("default")
    verify({later: "succeeded"})
    wait_until(lambda: is_received(settings.redis_url), "the notification is received")
    assert worker.is_running()
    assert len(attempts_of(long)) == 1
    assert "Unrecoverable" not in worker.log.read_text()


# the Redis that answers with errors is emptied too, and what comes after that runs
@VARIANT
def test_redis_may_forget_everything(start_worker, submit, look, verify, redis_server, settings):
    start_worker()
    running = submit(STEADY_DIGITS)
    wait_until(trains(look, running), "it trains")
    queued = submit(QUICK_DIGITS)
    Notifier(settings.redis_url).notify("default")

    redis_server.flush()

    later = submit(QUICK_DIGITS)
    verify(dict.fromkeys([running, queued, later], "succeeded"))
    assert look(running).attempt == 1


@VARIANT
def test_jobs_are_submitted_and_run_while_redis_is_away_for_half_a_minute(
    start_worker, submit, look, verify, redis_server, settings
):
    worker = start_worker()
    before = submit(STEADY_DIGITS)
    wait_until(trains(look, before), "it trains")

    redis_server.stop()
    stopped_at = time.monotonic()
    try:
        during = submit(QUICK_DIGITS)
        verify({before: "succeeded", during: "succeeded"})
        wait_until(lambda: time.monotonic() - stopped_at > 30, "half a minute has passed")
        late = submit(QUICK_DIGITS)
        verify({late: "succeeded"})
    finally:
        redis_server.start()

    later_job = submit(QUICK_DIGITS)
    Notifier(settings.redis_url).notify("default")
    verify({later_job: "succeeded"})
    wait_until(lambda: is_received(settings.redis_url), "the notification is received")
    assert worker.is_running()


@VARIANT
def test_redis_may_restart_five_times_in_fifteen_seconds(
    start_worker, submit, look, verify, redis_server, settings
):
    worker = start_worker()
    jobs = []
    for number in range(5):
        began = time.monotonic()
        redis_server.stop()
        jobs.append(submit(QUICK_DIGITS | {"seed": number}))
        redis_server.start()
        Notifier(settings.redis_url).notify("default")
        wait_until(lambda began=began: time.monotonic() - began > 3, "three seconds have passed")

    verify(dict.fromkeys(jobs, "succeeded"))
    # it is notified again, and does not only poll
    last = submit(QUICK_DIGITS)
    Notifier(settings.redis_url).notify("default")
    verify({last: "succeeded"})
    wait_until(
        lambda: is_received(settings.redis_url), "the notification is received", 20 * POLL_EVERY_S
    )
    assert worker.is_running()
