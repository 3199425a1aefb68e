"""The Celery side of a worker: notifications that there is work, and nothing else.

A Redis that is away, or answers with errors, ends neither the worker nor its runs: Celery connects
again and again, and the worker polls meanwhile.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
import warnings
from collections.abc import Callable
from typing import Any

from celery import Celery, bootsteps
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging, worker_shutting_down
from kombu.asynchronous import get_event_loop

from core.messaging.notify import TASK
from worker.claiming import run_next
from worker.context import WorkerContext

ASK_AGAIN_AFTER_S = 0.05
"""Until then Celery has noted that a task is over."""
SAY_AGAIN_AFTER_S = 60.0
"""Celery tries, and says so, several times a second."""
CONNECTING = "celery.worker.consumer.consumer"
"""The logger of Celery that tells of connections."""


def consume(context: WorkerContext, on_stop: Callable[[], None]) -> None:
    """Run jobs whenever this worker is notified, until a signal says to stop.

    Args:
        context: the worker.
        on_stop: called at the signal; it may interrupt any line of the main thread.
    """

    def stopping(*_: Any, **__: Any) -> None:
        on_stop()

    # of root, whom a pickle in a message would give the host: only empty shells of JSON are taken
    warnings.filterwarnings("ignore", category=SecurityWarning)
    worker_shutting_down.connect(stopping)
    setup_logging.connect(_keep_logging)
    app = context.notifier.app
    register(app, context)
    app.steps["worker"].add(Hangups)
    app.worker_main(arguments(context))


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


class Hangups(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """What a hang-up does: nothing under `nohup`, otherwise what SIGTERM does.

    Celery would have a worker without a terminal start itself again, by a command that is not ours.
    """

    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    def start(self, _worker: Any) -> None:
        """Set the handler, after Celery has set its own."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN if self.is_ignored else _terminate)


def _terminate(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _keep_logging(**_: Any) -> None:
    """Leave the handlers as they are: Celery sets up none where this signal has a receiver."""
    logging.getLogger("celery").setLevel(logging.WARNING)
    logging.getLogger(CONNECTING).addFilter(_ONCE)


class Once(logging.Filter):
    """Lets a line pass that was not written lately, with an error's own words.

    Celery writes errors as Python names them, and their tracebacks tell nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._again_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is new."""
        record.exc_info = None
        if isinstance(record.args, tuple):
            record.args = tuple(str(a) if isinstance(a, Exception) else a for a in record.args)
        text, at = record.getMessage(), self._clock()
        if at < self._again_at.get(text, 0.0):
            return False
        self._again_at = {each: due for each, due in self._again_at.items() if due > at}
        self._again_at[text] = at + SAY_AGAIN_AFTER_S
        return True


_ONCE = Once()


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
