"""A worker as a real process, with real services that fail."""

from __future__ import annotations

import signal

import psutil
import redis

from core import queries, queue
from core.doorbell import Doorbell
from core.wakeup import Wakeups
from tests.services import wait_until, wait_until_gone
from tests.worker.conftest import LONG_DIGITS, QUICK_DIGITS
from worker import health


def is_training(look, job):
    return lambda: look(job).epoch > 1


def test_a_ring_starts_a_job_and_ten_rings_start_it_once(
    start_worker, submit, look, database, settings
):
    start_worker()
    job = submit(QUICK_DIGITS)
    doorbell = Doorbell(settings.redis_url)
    for _ in range(10):
        assert doorbell.ring("default")

    wait_until(lambda: look(job).state == "succeeded", "the job succeeds")

    with database.reading() as session:
        assert len(queries.attempts(session, job.id).items) == 1


def test_a_worker_outlives_its_redis_and_hears_the_next_ring(
    start_worker, submit, look, redis_server, settings
):
    worker = start_worker()
    first = submit(QUICK_DIGITS)
    wait_until(lambda: look(first).state == "succeeded", "the worker works")

    redis_server.stop()
    second = submit(QUICK_DIGITS)
    wait_until(lambda: look(second).state == "succeeded", "it works without Redis")
    redis_server.start()

    doorbell = Doorbell(settings.redis_url)
    assert doorbell.ring("default")

    def is_heard():
        with redis.Redis.from_url(settings.redis_url) as connection:
            return connection.llen("default") == 0

    wait_until(is_heard, "the ring is heard")
    assert worker.poll() is None


def test_jobs_run_with_redis_away(start_worker, submit, look):
    start_worker(redis_url="redis://127.0.0.1:1/0")
    job = submit(QUICK_DIGITS)

    wait_until(lambda: look(job).state == "succeeded", "the job succeeds without a ring", 60)


def test_a_killed_workers_job_runs_elsewhere_and_its_trainer_is_gone(start_worker, submit, look):
    first = start_worker()
    job = submit(LONG_DIGITS)
    wait_until(is_training(look, job), "the first worker trains")
    processes = psutil.Process(first.pid).children(recursive=True)
    assert processes

    first.kill()

    wait_until_gone(processes)
    start_worker()
    wait_until(lambda: look(job).attempt == 2 and look(job).epoch > 1, "it trains again")
    assert look(job).losses == 1


def test_sigterm_hands_the_job_back_and_ends_the_worker(start_worker, submit, look):
    worker = start_worker()
    job = submit(LONG_DIGITS)
    wait_until(is_training(look, job), "it trains")
    processes = psutil.Process(worker.pid).children(recursive=True)

    worker.send_signal(signal.SIGTERM)
    worker.wait(30)

    waiting = look(job)
    assert (waiting.state, waiting.losses, waiting.crashes) == ("queued", 0, 0)
    wait_until_gone(processes)


def test_cancel_reaches_a_running_job_at_once(start_worker, submit, look, database, settings):
    worker = start_worker(lease_seconds=600.0)  # nothing but the wake-up makes it look soon
    job = submit(LONG_DIGITS)
    wait_until(is_training(look, job), "it trains")
    [zygote] = psutil.Process(worker.pid).children()
    trainers = zygote.children()

    queue.cancel(database, job.id)
    Wakeups(settings.redis_url).announce("asked", job.id)

    wait_until(lambda: look(job).state == "cancelled", "it is cancelled", 10)
    # the one that ran is gone; what is there now is the zygote and a new spare
    assert not [process for process in trainers if process.is_running()]


def test_the_health_check_knows_a_live_worker(start_worker, settings, monkeypatch, database):
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TRAINYARD_WORKER_NAME", "worker-1")
    start_worker()

    def is_well():
        try:
            health.main()
        except SystemExit:
            return False
        return True

    assert not is_well()
    wait_until(is_well, "the worker is seen")
