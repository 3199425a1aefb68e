"""A trainer's socket to its supervisor."""

from __future__ import annotations

import os
import socket
import threading

from pydantic import TypeAdapter

from core.protocol.orders import STOPS, Order, PreviewOrder, Stop
from core.protocol.reports import Report

# the fields of each are refused by the other
_ORDERS: TypeAdapter[Order | PreviewOrder] = TypeAdapter(Order | PreviewOrder)


class Link:
    """The socket to the supervisor. Made when an order has come; without one, the process ends."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._stop: Stop | None = None
        order = self._lines.readline()
        if not order:
            os._exit(0)  # the spare is not needed any more
        self.asked = _ORDERS.validate_json(order)
        threading.Thread(target=self._receive, name="supervisor", daemon=True).start()

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
            if line in STOPS and self._stop != "stop":  # a cancel outweighs a pause
                self._stop = STOPS[line]
        # nobody is left to take what this process computes; the device is wanted elsewhere
        os._exit(1)
