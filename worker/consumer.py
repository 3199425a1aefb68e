"""The Celery side of a worker: notifications that there is work, and nothing else."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_shutting_down
from kombu.asynchronous import get_event_loop

from core.messaging.notify import TASK
from worker.claiming import run_next
from worker.context import WorkerContext

ASK_AGAIN_AFTER_S = 0.05
"""Until then Celery has noted that a task is over."""


def consume(context: WorkerContext, on_stop: Callable[[], None]) -> None:
    """Run jobs whenever this worker is notified, until a signal says to stop.

    Args:
        context: the worker.
        on_stop: called at the signal; it may interrupt any line of the main thread.
    """

    def stopping(*_: Any, **__: Any) -> None:
        on_stop()

    worker_shutting_down.connect(stopping)
    setup_logging.connect(_keep_logging)
    register(context.notifier.app, context)
    context.notifier.app.worker_main(arguments(context))


def register(app: Celery, context: WorkerContext) -> None:
    """Make the task that the notifier sends: it runs what there is to run."""

    def look() -> None:
        try:
            run_next(context, is_notified=True)
        finally:
            _ask_redis_again()

    app.task(name=TASK, ignore_result=True)(look)


def arguments(context: WorkerContext) -> list[str]:
    """The command line of the Celery worker."""
    return [
        "--quiet",  # its banner is no log line, and ours says the same
        "worker",
        "--pool=threads",  # a thread waits for a process of its own; nothing is computed here
        f"--concurrency={len(context.slots.all)}",
        f"--queues={','.join(context.settings.queues)}",
        f"--hostname={os.getpid()}@{socket.gethostname()}",
        "--loglevel=WARNING",
        # workers know of each other by the database
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]


def _keep_logging(**_: Any) -> None:
    """Leave the handlers as they are: Celery sets up none where this signal has a receiver."""
    logging.getLogger("celery").setLevel(logging.WARNING)


def _ask_redis_again() -> None:
    """Have Celery ask Redis for messages again as soon as this task is over.

    A busy worker asks for none, and its loop would see that it is free again only when it wakes
    the next time: up to a second in which a message waits.
    """
    loop = get_event_loop()
    if loop is not None:
        loop.call_soon(  # type: ignore[no-untyped-call]
            loop.call_later, ASK_AGAIN_AFTER_S, lambda: None
        )
