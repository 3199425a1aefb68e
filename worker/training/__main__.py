"""A trainer: `python -m worker.training FD`, started by a supervisor for one job.

It talks over the socket FD: an order comes in as one JSON line, reports go out, one a line. When
the supervisor is gone, the socket ends, and so does this process at once.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
import traceback
from typing import NoReturn

import torch

from core.errors import DataUnavailable
from core.reports import Failed, Line, Report, Stopped
from worker.training import download
from worker.training.loop import Diverged, StopAsked, train
from worker.training.order import STOP, Order


class Link:
    """The socket to the supervisor."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._stop = threading.Event()
        self.order = Order.model_validate_json(self._lines.readline())
        threading.Thread(target=self._hear, name="supervisor", daemon=True).start()

    def report(self, report: Report) -> None:
        """Send a report."""
        self._connection.sendall(report.model_dump_json().encode() + b"\n")

    def stop_asked(self) -> bool:
        """Whether the supervisor asked to stop."""
        return self._stop.is_set()

    def _hear(self) -> None:
        for line in self._lines:
            if line == STOP:
                self._stop.set()
        self._die()

    def _die(self) -> NoReturn:
        # nobody is left to take what this process computes; the device is wanted elsewhere
        shutil.rmtree(self.order.scratch, ignore_errors=True)
        os._exit(1)


def run(link: Link) -> None:
    """Carry out the order, and say how it ended."""
    order = link.order
    torch.set_num_threads(order.threads)
    try:
        device = choose_device(order)
        download.ensure(order.spec.dataset, order.data, lambda text: link.report(Line(text=text)))
        train(
            order.spec,
            data=order.data,
            scratch=order.scratch,
            device=device,
            report=link.report,
            stop_asked=link.stop_asked,
        )
    except StopAsked:
        link.report(Stopped())
    except Exception as error:  # noqa: BLE001  (the boundary: every failure becomes a report)
        link.report(explain(error))


def choose_device(order: Order) -> torch.device:
    """The device of an order."""
    if order.device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("The worker has a GPU that this installation of torch cannot use.")
    return torch.device(order.device)


def explain(error: Exception) -> Failed:
    """Say what went wrong in words for the run's page."""
    if isinstance(error, Diverged):
        return Failed(error="diverged", message=str(error))
    if isinstance(error, DataUnavailable):
        return Failed(error="data_unavailable", message=str(error))
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return Failed(
            error="out_of_memory",
            message="The device's memory is full. Try a smaller batch size or network.",
            traceback=traceback.format_exc(),
        )
    if isinstance(error, OSError):
        return Failed(
            error="storage",
            message=f"A file could not be written or read ({error.strerror or error}). "
            "Is the worker's disk full?",
            traceback=traceback.format_exc(),
        )
    return Failed(
        error=type(error).__name__,
        message=str(error) or type(error).__name__,
        traceback=traceback.format_exc(),
    )


if __name__ == "__main__":
    run(Link(socket.socket(fileno=int(sys.argv[1]))))
