"""The threads that serve one worker beside its jobs: polling, files for pages, and listening.

They start before the worker can be notified, and stop after the last job has left its slot.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Self

from core import logs, workers
from core.errors import DatabaseUnavailable
from core.messaging.pubsub import Topic
from worker.context import WorkerContext
from worker.polling import Poller
from worker.tasks.derive_file import DerivedFiles
from worker.tasks.draw_preview import Previews

END_MARGIN_S = 10.0
"""To store snapshots and to write the ends, after the grace that trainers have."""
LAST_RESORT_S = 20.0
"""After the grace, when this process ends whatever it waits for."""

log = logs.get_logger(__name__)


class Services:
    """The services of one worker. Use as a context manager: at the end the worker is drained."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._previews = Previews(context)
        self._derived = DerivedFiles(context)
        self._poller = Poller(context)
        self._stop_listening = threading.Event()

    def __enter__(self) -> Self:
        if self._context.gauges is not None:
            self._context.gauges.start()
        self._previews.start()
        self._derived.start()
        self._listen("asked", self._context.pipes.wake)
        self._listen("preview", self._previews.wake)
        self._listen("derived", self._derived.wake)
        self._poller.start()
        return self

    def __exit__(self, *_: object) -> None:
        context = self._context
        context.drain()
        context.slots.wait_until_all_free(context.settings.grace_seconds + END_MARGIN_S)
        self._poller.stop()
        if context.gauges is not None:
            context.gauges.stop()
        self._previews.stop()
        self._derived.stop()
        self._stop_listening.set()
        context.spares.close()
        self._mark_stopped()

    def _listen(self, topic: Topic, on_wakeup: Callable[[int], None]) -> None:
        threading.Thread(
            target=self._context.wakeups.listen,
            args=(topic, on_wakeup, self._stop_listening),
            name=f"wakeups-{topic}",
            daemon=True,
        ).start()

    def _mark_stopped(self) -> None:
        try:
            workers.mark_stopped(self._context.database, self._context.claimant.worker_id)
        except DatabaseUnavailable as error:  # so others are to see its end
            log.warning("worker_end_not_written", reason=str(error))
            return
        if self._context.lock is not None:
            self._context.lock.release()


def end_at_last(context: WorkerContext, end: Callable[[int], object] = os._exit) -> threading.Timer:
    """End this process in a while, in case what it waits for never comes.

    A database, a file store or a broker may not answer, and some libraries wait for ever. Nothing
    is doubled: the trainers end with this process, and its leases run out.
    """

    def end_now() -> None:
        log.error("worker_end_forced", waited_s=patience_s)
        end(1)

    patience_s = context.settings.grace_seconds + LAST_RESORT_S
    timer = threading.Timer(patience_s, end_now)
    timer.daemon = True
    timer.start()
    return timer
