"""The Celery side of a worker."""

from __future__ import annotations

import logging
import signal

import pytest
import redis
from celery.signals import setup_logging
from kombu.asynchronous import Hub

from core.messaging.notify import TASK
from worker import consumer


@pytest.fixture
def database_kind():
    """Celery is the same whatever the database."""
    return "sqlite"


def test_a_task_that_ended_soon_wakes_celery_to_ask_for_the_next(context, monkeypatch):
    loop = Hub()
    monkeypatch.setattr(consumer, "get_event_loop", lambda: loop)
    consumer.register(context.notifier.app, context)

    context.notifier.app.tasks[TASK]()
    loop.run_once()

    assert len(loop.timer.queue) == 1
    loop.close()


def test_celery_runs_a_thread_for_each_slot_and_serves_the_queues(context):
    arguments = consumer.arguments(context)

    assert f"--concurrency={len(context.slots.all)}" in arguments
    assert "--queues=default" in arguments
    assert "--pool=threads" in arguments


def test_celery_leaves_the_logging_as_it_is(context):
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    setup_logging.connect(consumer._keep_logging)
    try:
        context.notifier.app.log.setup_logging_subsystem(loglevel=logging.WARNING)
    finally:
        setup_logging.disconnect(consumer._keep_logging)

    assert (root.level, root.handlers) == before


def test_what_celery_says_again_and_again_is_written_once_a_minute(caplog):
    now = [0.0]
    once = consumer.Once(clock=lambda: now[0])
    line = logging.LogRecord("celery", logging.WARNING, "", 1, "lost %r", ("it",), None)
    other = logging.LogRecord("celery", logging.WARNING, "", 1, "found", (), None)

    assert [once.filter(each) for each in (line, line, other)] == [True, False, True]

    now[0] += consumer.SAY_AGAIN_AFTER_S
    assert once.filter(line)


def test_an_error_of_redis_is_written_in_its_own_words():
    error = redis.ResponseError("WRONGTYPE Operation against a key")
    line = logging.LogRecord("celery", logging.WARNING, "", 1, "lost (%r)", (error,), None)

    assert consumer.Once().filter(line)

    assert "WRONGTYPE Operation" in line.getMessage()


def test_an_error_that_redis_answers_with_is_one_to_go_through(context):
    """Celery counts it as one of a channel, and would end the worker."""
    assert context.notifier.app.conf.broker_channel_error_retry is True


@pytest.mark.parametrize("is_ignored", [True, False])
def test_a_hang_up_is_ignored_under_nohup_and_drains_otherwise(monkeypatch, is_ignored):
    received = []
    monkeypatch.setattr(consumer.Hangups, "is_ignored", is_ignored)
    monkeypatch.setattr(consumer.os, "kill", lambda _pid, number: received.append(number))
    before = signal.getsignal(signal.SIGHUP)
    try:
        consumer.Hangups(None).start(None)
        signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert received == ([] if is_ignored else [signal.SIGTERM])
