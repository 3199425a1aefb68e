"""A trainer's socket to its supervisor."""

from __future__ import annotations

import math
import os
import signal
import socket
import threading

from pydantic import TypeAdapter

from core.protocol.clock import elapsed
from core.protocol.orders import LEASE, STOPS, DeriveOrder, Order, PreviewOrder, Stop
from core.protocol.reports import Report
from worker.training.process.lifeline import is_readable

SURE_AFTER_S = 0.1
"""A line that has arrived is read within this time, unless the whole host stands still."""

# the fields of each are refused by the others
_ORDERS: TypeAdapter[Order | PreviewOrder | DeriveOrder] = TypeAdapter(
    Order | PreviewOrder | DeriveOrder
)


class Link:
    """The socket to the supervisor. Made when an order has come; without one, the process ends.

    It ends the process too when the lease is nearly over and nobody has said that it was renewed: a
    supervisor that is stopped, or hangs, can end nobody, while others may take its run.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._stop: Stop | None = None
        order = self._lines.readline()
        if not order:
            os._exit(0)  # the spare is not needed any more
        self.asked = _ORDERS.validate_json(order)
        ends_at = self.asked.ends_at if isinstance(self.asked, Order) else None
        self._ends_at = math.inf if ends_at is None else ends_at
        threading.Thread(target=self._receive, name="supervisor", daemon=True).start()
        if ends_at is not None:
            threading.Thread(target=self._watch_lease, name="lease", daemon=True).start()

    @property
    def order(self) -> Order:
        """What to train, where that is what was asked for."""
        assert isinstance(self.asked, Order)
        return self.asked

    def report(self, report: Report) -> None:
        """Send a report."""
        self._connection.sendall(report.model_dump_json().encode() + b"\n")

    def stop_requested(self) -> Stop | None:
        """Whether, and how, the supervisor asked to stop."""
        return self._stop

    def _receive(self) -> None:
        for line in self._lines:
            if line.startswith(LEASE):
                self._ends_at = float(line.removeprefix(LEASE))
            elif line in STOPS and self._stop != "stop":  # a cancel outweighs a pause
                self._stop = STOPS[line]
        # nobody is left to take what this process computes; the device is wanted elsewhere
        os._exit(1)

    def _watch_lease(self) -> None:
        pause = threading.Event()
        while True:
            left_s = self._ends_at - elapsed()
            if left_s > 0:
                # waiting does not count the time in which the host sleeps
                pause.wait(min(left_s, 1.0))
            elif self._has_nothing_to_read(pause):
                os.kill(os.getpid(), signal.SIGKILL)

    def _has_nothing_to_read(self, pause: threading.Event) -> bool:
        """Whether no word of a renewal is on its way: this process may have stood still itself."""
        ends_at = self._ends_at
        pause.wait(SURE_AFTER_S)
        return self._ends_at == ends_at and not is_readable(self._connection.fileno(), 0)
