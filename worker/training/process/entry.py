"""A trainer: a fork of the zygote that warms up, waits for one order, carries it out and ends.

A preview is drawn by one too, which has its order at once and does not warm up.
"""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path
from typing import NoReturn

from core.protocol.orders import DeviceKind, PreviewOrder
from worker.training.outputs import preview_image
from worker.training.process import warmup
from worker.training.process.link import Link
from worker.training.process.run_order import run

AT_ONCE_S = 0.05
"""An order that follows the fork comes within a few milliseconds."""


def wait_and_run(
    connection: socket.socket, *, threads: int, device: DeviceKind, data: Path
) -> NoReturn:
    """Be a spare until an order comes; then carry it out.

    Args:
        connection: stream socket to the supervisor.
        threads: threads that torch may compute with.
        device: what the spare warms up.
        data: folder of the datasets.
    """
    if not select.select([connection], [], [], AT_ONCE_S)[0]:  # else it is not kept waiting
        warmup.warm_up(threads, device, data)
    link = Link(connection)
    if isinstance(link.asked, PreviewOrder):
        preview_image.carry_out(link.asked, link.report)
    else:
        run(link)
    os._exit(0)  # at once: an orderly end of torch takes a tenth of a second
