"""Draws the previews that forms ask for, in a thread of its own beside the slots of the jobs.

A run of three days that holds every slot keeps no form waiting: each preview is drawn by a process
of its own on the CPU, with one thread, for some tens of milliseconds.
"""

from __future__ import annotations

from core import logs, previews
from core.messages import message
from core.previews import Request
from core.protocol.orders import PreviewOrder
from worker.processes.zygote import ZygoteGone
from worker.tasks import beside
from worker.tasks.beside import BESIDE_THE_SLOTS, BesideTheSlots, NotDone

LOOK_EVERY_S = 10.0
LOOK_AGAIN_AFTER_S = previews.LEFT_TO_OTHERS_S + 0.1
TIME_LIMIT_S = 15.0
PICTURE = "preview.png"

log = logs.get_logger(__name__)


class Previews(BesideTheSlots):
    """The previews of one worker, one at a time, in one thread."""

    name = "previews"

    def _pause_s(self, *, is_asked: bool) -> float:
        return LOOK_AGAIN_AFTER_S if is_asked else LOOK_EVERY_S

    def _do_next(self) -> bool:
        taken = previews.take(self._context.database, self._datasets())
        if taken is not None:
            self._draw(*taken)
        return taken is not None

    def _sweep(self) -> None:
        previews.sweep(self._context.database)

    def _draw(self, key: str, asked: Request) -> None:
        database = self._context.database
        try:
            picture = self._picture(asked)
        except NotDone as error:
            log.warning("preview_not_drawn", preview=key[:8], reason=str(error))
            previews.fail(database, key, error.reason)
        except Exception:  # whatever it is, who waits for the preview gets an answer
            log.exception("preview_failed", preview=key[:8])
            previews.fail(database, key, message("preview.worker_failed"))
        else:
            previews.finish(database, key, picture)

    def _picture(self, asked: Request) -> bytes:
        try:
            trainer = self._context.spares.fork(BESIDE_THE_SLOTS)
        except ZygoteGone as error:
            raise NotDone(message("preview.try_again")) from error
        with trainer:
            order = PreviewOrder(
                **asked,
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
            return beside.read(order.picture, trainer, message("preview.process_ended"))
