"""A worker: `python -m worker`. Celery hears the notifier; the database says what to run."""

from __future__ import annotations

import contextlib
import sys
import threading

from core import logs, settings
from core.errors import TrainyardError
from core.messages import message
from worker import consumer
from worker.context import WorkerContext
from worker.naming import worker_name
from worker.services import Services, end_at_last
from worker.setup import set_up

log = logs.get_logger("worker")


def main() -> None:
    """Work until told to stop."""
    try:
        chosen = settings.load()
        with contextlib.suppress(OSError):  # one that has nothing to keep there needs none
            chosen.make_home()
        chosen = chosen.model_copy(update={"worker_name": worker_name(chosen)})
        logs.configure(chosen.log_format, worker=chosen.worker_name)
        work(set_up(chosen))
    except TrainyardError as error:
        sys.exit(str(error))


def work(context: WorkerContext) -> None:
    """Serve the queues until a signal says to stop; then drain."""
    stops: list[str] = []

    def stop() -> None:
        end_at_last(context)
        context.drain()

    def drain() -> None:
        stops.append("asked")
        log.info("worker_stopping")
        # in a thread of its own, because the main thread may hold any lock now
        threading.Thread(target=stop, name="drain").start()

    with Services(context):
        log.info(
            "worker_started",
            queues=list(context.settings.queues),
            slots=len(context.slots.all),
            devices=sorted({slot.device.name for slot in context.slots.all}),
        )
        consumer.consume(context, on_stop=drain)
        if not stops:
            raise TrainyardError(message("worker.consumer_ended"))


if __name__ == "__main__":
    main()
