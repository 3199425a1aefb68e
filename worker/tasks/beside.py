"""What a worker does beside its slots: one thing at a time, in a thread, by a process for each.

Such a process computes on the CPU with one thread. Runs of days may hold every slot, and neither
wait for it nor keep it waiting. A worker that somebody drains does none of it: its host goes quiet.
"""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from core import asked, logs
from core.asked import Request
from core.database.engine import Database
from core.datasets.builtin import present
from core.errors import DatabaseUnavailable, TrainyardError, Unavailable
from core.messages import Message, message
from core.protocol.reports import Failed
from worker.context import WorkerContext
from worker.devices import Device
from worker.processes.pipe import WakeupPipe
from worker.processes.trainer import Trainer
from worker.processes.zygote import ZygoteGone
from worker.slots import Slot

LOOK_EVERY_S = 10.0
LOOK_AGAIN_AFTER_S = asked.LEFT_TO_OTHERS_S + 0.1
SWEEP_EVERY_S = 600.0
STOP_TIMEOUT_S = 2.0
BESIDE_THE_SLOTS = Slot(0, Device("cpu", "CPU"), threads=1)

log = logs.get_logger(__name__)


class NotDone(TrainyardError):
    """What was asked for could not be done; `reason` says why."""


Made = TypeVar("Made")
Made_contra = TypeVar("Made_contra", contravariant=True)


class Rows(Protocol[Made_contra]):
    """What is asked for of one kind: the modules `core.previews` and `core.derived`."""

    def take(
        self, database: Database, datasets: Collection[str], elsewhere: Collection[str]
    ) -> tuple[str, Request] | None:
        """Take one; its key and what is asked for."""

    def finish(self, database: Database, key: str, made: Made_contra, /) -> None:
        """Write down what was made."""

    def fail(self, database: Database, key: str, reason: Message) -> None:
        """Write down why nothing was made."""

    def sweep(self, database: Database) -> object:
        """Remove what was asked for long ago."""


class BesideTheSlots(ABC, Generic[Made]):
    """Things of one kind that a worker makes for pages, one after the other, in one thread."""

    def __init__(self, context: WorkerContext, name: str, rows: Rows[Made]) -> None:
        """Take note of what to look at.

        Args:
            context: the worker.
            name: of the kind, in the log and of the thread.
            rows: what is asked for.
        """
        self._context = context
        self._name = name
        self._rows = rows
        self._is_asked = threading.Event()
        self._is_stopped = threading.Event()
        self._pipe = WakeupPipe()
        self._sweep_due = time.monotonic() + SWEEP_EVERY_S
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

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
            pause_s = LOOK_AGAIN_AFTER_S if is_asked else LOOK_EVERY_S
            try:
                self._look()
            except DatabaseUnavailable as error:
                log.warning("database_unavailable", reason=str(error))
            except Exception:  # a fault of one round must not end the others
                log.exception("look_failed", what=self._name)

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
            self._rows.sweep(self._context.database)

    def _do_next(self) -> bool:
        """Take one thing that is asked for and make it; False: there is none for this worker."""
        database, folder = self._context.database, self._context.settings.data_folder
        elsewhere = asked.datasets_elsewhere(database, self._context.claimant.worker_id)
        if elsewhere is None:
            return False
        taken = self._rows.take(database, present(folder), elsewhere)
        if taken is None:
            return False
        key, request = taken
        try:
            made = self._make(request)
        except (NotDone, Unavailable) as error:
            log.warning("not_made", what=self._name, key=key[:8], reason=str(error))
            self._rows.fail(database, key, _of_every_worker(error.reason))
        except Exception:  # whatever it is, who waits for it gets an answer
            log.exception("making_failed", what=self._name, key=key[:8])
            self._rows.fail(database, key, self._failed())
        else:
            self._rows.finish(database, key, made)
        return True

    @abstractmethod
    def _make(self, request: Request) -> Made:
        """Make what is asked for.

        Raises:
            NotDone: it cannot be made.
            Unavailable: the blob store is away.
        """

    @abstractmethod
    def _failed(self) -> Message:
        """What is told of a fault of this worker."""

    @contextlib.contextmanager
    def _process(self, try_again: Message) -> Iterator[Trainer]:
        """A process to make it in, which ends with this."""
        try:
            trainer = self._context.spares.fork(BESIDE_THE_SLOTS)
        except ZygoteGone as error:
            raise NotDone(try_again) from error
        with trainer:
            yield trainer

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
                        log.warning("process_failed", what=self._name, traceback=report.traceback)
                    raise NotDone(report.reason)
            if self._is_stopped.is_set():
                raise NotDone(stopped)
        raise NotDone(too_slow)


def _of_every_worker(reason: Message) -> Message:
    """Why it fails, for who asked: what another worker could make was left to that one."""
    if reason.code == "data.not_on_worker":
        return message("data.on_no_worker", **reason.params)
    return reason


def left(path: Path, trainer: Trainer, ended: Message) -> Path:
    """The file that a process was to leave.

    Raises:
        NotDone: there is none.
    """
    if not path.exists():
        log.warning("process_beside_the_slots_ended", output=trainer.output_tail())
        raise NotDone(ended)
    return path
