"""A trainer: a fork of the zygote that warms up, waits for one order, carries it out and ends.

A preview is drawn, and a file for a page computed, by one too, which has its order at once and does
not warm up.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NoReturn

from core.protocol.orders import DeriveOrder, DeviceKind, PreviewOrder
from core.protocol.pulse import Pulse
from worker.training.process import derive_order, preview_order, run_order, warmup
from worker.training.process.lifeline import is_readable
from worker.training.process.link import Link

AT_ONCE_S = 0.05
"""An order that follows the fork comes within a few milliseconds."""


def wait_and_run(
    connection: socket.socket, *, threads: int, device: DeviceKind, data: Path, pulse: Pulse
) -> NoReturn:
    """Be a spare until an order comes; then carry it out.

    Args:
        connection: stream socket to the supervisor.
        threads: threads that torch may compute with.
        device: what the spare warms up.
        data: folder of the datasets.
        pulse: tells the supervisor what is done.
    """
    if not is_readable(connection.fileno(), AT_ONCE_S):  # else it is not kept waiting
        warmup.warm_up(threads, device, data)
    link = Link(connection)
    if isinstance(link.asked, PreviewOrder):
        preview_order.run(link.asked, link.report)
    elif isinstance(link.asked, DeriveOrder):
        derive_order.run(link.asked, link.report)
    else:
        run_order.run(link, pulse)
    os._exit(0)  # at once: an orderly end of torch takes a tenth of a second
