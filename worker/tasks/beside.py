"""What a worker does beside its slots: one thing at a time, in a thread, by a process for each.

Such a process computes on the CPU with one thread. Runs of days may hold every slot, and neither
wait for it nor keep it waiting.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from core import logs
from core.datasets.builtin import DATASETS
from core.errors import DatabaseUnavailable, TrainyardError
from core.messages import Message
from core.protocol.reports import Failed
from worker.context import WorkerContext
from worker.devices import Device
from worker.processes.pipe import WakeupPipe
from worker.processes.trainer import Trainer
from worker.slots import Slot

SWEEP_EVERY_S = 600.0
STOP_TIMEOUT_S = 2.0
BESIDE_THE_SLOTS = Slot(0, Device("cpu", "CPU"), threads=1)

log = logs.get_logger(__name__)


class NotDone(TrainyardError):
    """What was asked for could not be done; `reason` says why."""


class BesideTheSlots:
    """Things of one kind that a worker does for pages, one after the other, in one thread."""

    name: str
    """Of the kind, in the log and of the thread."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._is_asked = threading.Event()
        self._is_stopped = threading.Event()
        self._pipe = WakeupPipe()
        self._sweep_due = time.monotonic() + SWEEP_EVERY_S
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self, _number: int) -> None:
        """Look at once, because something is asked for. Any thread may call it."""
        self._is_asked.set()

    def stop(self) -> None:
        """End. What is being done is given up: its page asks again."""
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
            # what was left to others at first may still be there
            pause_s = self._pause_s(is_asked=is_asked)
            try:
                self._look()
            except DatabaseUnavailable as error:
                log.warning("database_unavailable", reason=str(error))
            except Exception:  # a fault of one round must not end the others
                log.exception("look_failed", what=self.name)

    def _look(self) -> None:
        """Do what is asked for, until nothing is left."""
        while not self._is_stopped.is_set() and not self._context.draining.is_set():
            if not self._do_next():
                break
            self._sweep_if_due()
        self._sweep_if_due()

    def _sweep_if_due(self) -> None:
        if time.monotonic() >= self._sweep_due:
            self._sweep_due = time.monotonic() + SWEEP_EVERY_S
            self._sweep()

    def _pause_s(self, *, is_asked: bool) -> float:
        """Seconds until the next look without a wake-up."""
        raise NotImplementedError

    def _do_next(self) -> bool:
        """Take one thing that is asked for and do it; False: there is none."""
        raise NotImplementedError

    def _sweep(self) -> None:
        """Remove what was asked for long ago."""
        raise NotImplementedError

    def _datasets(self) -> list[str]:
        """The datasets that are here; the digits need no download."""
        folder = self._context.settings.data_folder
        return [
            name
            for name, dataset in DATASETS.items()
            if name == "digits" or (folder / dataset.folder).is_dir()
        ]

    def _wait_for(
        self, trainer: Trainer, limit_s: float, too_slow: Message, stopped: Message
    ) -> None:
        """Return when the process has closed its socket, which it does at its end.

        Raises:
            NotDone: it failed, took too long, or this worker stops.
        """
        deadline = time.monotonic() + limit_s
        while (patience := deadline - time.monotonic()) > 0:
            reports = trainer.read(patience, self._pipe.descriptor)
            if reports is None:
                return
            for report in reports:
                if isinstance(report, Failed):
                    if report.traceback:
                        log.warning("process_failed", what=self.name, traceback=report.traceback)
                    raise NotDone(report.reason)
            if self._is_stopped.is_set():
                raise NotDone(stopped)
        raise NotDone(too_slow)


def read(path: Path, trainer: Trainer, ended: Message) -> bytes:
    """The file that a process was to leave.

    Raises:
        NotDone: there is none.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        log.warning("process_beside_the_slots_ended", output=trainer.output_tail())
        raise NotDone(ended) from None
