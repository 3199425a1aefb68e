"""Draws the previews that forms ask for, in a thread of its own beside the slots of the jobs.

A run of three days that holds every slot keeps no form waiting: each preview is drawn by a process
of its own on the CPU, with one thread, for some tens of milliseconds.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from core import logs, previews
from core.datasets.builtin import DATASETS
from core.errors import DatabaseUnavailable, TrainyardError
from core.messages import message
from core.previews import Request
from core.protocol.orders import PreviewOrder
from core.protocol.reports import Failed
from worker.context import WorkerContext
from worker.devices import Device
from worker.processes.pipe import WakeupPipe
from worker.processes.trainer import Trainer
from worker.processes.zygote import ZygoteGone
from worker.slots import Slot

LOOK_EVERY_S = 10.0
LOOK_AGAIN_AFTER_S = previews.LEFT_TO_OTHERS_S + 0.1
SWEEP_EVERY_S = 600.0
TIME_LIMIT_S = 15.0
STOP_TIMEOUT_S = 2.0
BESIDE_THE_SLOTS = Slot(0, Device("cpu", "CPU"), threads=1)
PICTURE = "preview.png"

log = logs.get_logger(__name__)


class Previews:
    """The previews of one worker, one at a time, in one thread."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._is_asked = threading.Event()
        self._is_stopped = threading.Event()
        self._pipe = WakeupPipe()
        self._sweep_due = time.monotonic() + SWEEP_EVERY_S
        self._thread = threading.Thread(target=self._run, name="previews", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self, _number: int) -> None:
        """Look at once, because a preview is asked for. Any thread may call it."""
        self._is_asked.set()

    def stop(self) -> None:
        """End. A preview that is being drawn is given up: its form asks again."""
        self._is_stopped.set()
        self._is_asked.set()
        self._pipe.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        pause_s = 0.0
        while True:
            is_asked = self._is_asked.wait(pause_s)
            self._is_asked.clear()
            if self._is_stopped.is_set():
                return
            # a preview that was left to others at first may still be there
            pause_s = LOOK_AGAIN_AFTER_S if is_asked else LOOK_EVERY_S
            try:
                self._look()
            except DatabaseUnavailable as error:
                log.warning("database_unavailable", reason=str(error))
            except Exception:  # a fault of one round must not end the drawing of previews
                log.exception("previews_failed")

    def _look(self) -> None:
        """Draw what is asked for, until nothing is left."""
        while not self._is_stopped.is_set() and not self._context.draining.is_set():
            taken = previews.take(self._context.database, self._datasets())
            if taken is None:
                break
            self._draw(*taken)
            self._sweep_if_due()
        self._sweep_if_due()

    def _sweep_if_due(self) -> None:
        if time.monotonic() >= self._sweep_due:
            self._sweep_due = time.monotonic() + SWEEP_EVERY_S
            previews.sweep(self._context.database)

    def _datasets(self) -> list[str]:
        """The datasets that are here; the digits need no download."""
        folder = self._context.settings.data_folder
        return [
            name
            for name, dataset in DATASETS.items()
            if name == "digits" or (folder / dataset.folder).is_dir()
        ]

    def _draw(self, key: str, asked: Request) -> None:
        database = self._context.database
        try:
            picture = self._picture(asked)
        except NotDrawn as error:
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
            raise NotDrawn(message("preview.try_again")) from error
        with trainer:
            order = PreviewOrder(
                **asked,
                data=self._context.settings.data_folder,
                picture=trainer.scratch / PICTURE,
            )
            trainer.give(order)
            self._wait_for(trainer)
            return _read(order.picture, trainer)

    def _wait_for(self, trainer: Trainer) -> None:
        """Return when the process has closed its socket, which it does at its end."""
        deadline = time.monotonic() + TIME_LIMIT_S
        while (patience := deadline - time.monotonic()) > 0:
            reports = trainer.read(patience, self._pipe.descriptor)
            if reports is None:
                return
            for report in reports:
                if isinstance(report, Failed):
                    if report.traceback:
                        log.warning("preview_process_failed", traceback=report.traceback)
                    raise NotDrawn(report.reason)
            if self._is_stopped.is_set():
                raise NotDrawn(message("preview.worker_stopped"))
        raise NotDrawn(message("preview.too_slow", limit_s=TIME_LIMIT_S))


class NotDrawn(TrainyardError):
    """A preview could not be drawn; `reason` says why."""


def _read(picture: Path, trainer: Trainer) -> bytes:
    try:
        return picture.read_bytes()
    except FileNotFoundError:
        log.warning("preview_process_ended", output=trainer.output_tail())
        raise NotDrawn(message("preview.process_ended")) from None
