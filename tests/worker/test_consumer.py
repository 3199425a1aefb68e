"""The Celery side of a worker."""

from __future__ import annotations

import logging

import pytest
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
