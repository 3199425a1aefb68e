"""Draws the previews that forms ask for, in a thread of its own beside the slots of the jobs.

A run of three days that holds every slot keeps no form waiting: each preview is drawn by a process
of its own on the CPU, with one thread, for some tens of milliseconds.
"""

from __future__ import annotations

from core import previews
from core.asked import Request
from core.messages import Message, message
from core.protocol.orders import PreviewOrder
from worker.context import WorkerContext
from worker.tasks import beside
from worker.tasks.beside import BesideTheSlots

TIME_LIMIT_S = 15.0
PICTURE = "preview.png"


class Previews(BesideTheSlots[bytes]):
    """The previews of one worker, one at a time, in one thread."""

    def __init__(self, context: WorkerContext) -> None:
        super().__init__(context, "previews", previews)

    def _make(self, request: Request) -> bytes:
        with self._process(message("preview.try_again")) as trainer:
            order = PreviewOrder(
                **request,
                data=self._context.settings.data_folder,
                picture=trainer.scratch / PICTURE,
            )
            trainer.give(order)
            self._wait_for(
                trainer,
                TIME_LIMIT_S,
                too_slow=message("preview.too_slow", limit_s=TIME_LIMIT_S),
                stopped=message("preview.worker_stopped"),
            )
            ended = message("preview.process_ended")
            return beside.left(order.picture, trainer, ended).read_bytes()

    def _failed(self) -> Message:
        return message("preview.worker_failed")
