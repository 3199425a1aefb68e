"""A trainer's socket to its supervisor. It needs no torch, so it is there before torch is."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from typing import NoReturn

from core.reports import Report
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
