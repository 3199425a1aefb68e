"""A trainer: a fork of the zygote that warms up, waits for one order, carries it out and ends."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path
from typing import NoReturn

from worker.training import warmup
from worker.training.execution import run
from worker.training.link import Link
from worker.training.order import DeviceKind


def wait_and_run(
    connection: socket.socket, *, threads: int, device: DeviceKind, data: Path
) -> NoReturn:
    """Be a spare until an order comes; then carry it out.

    Args:
        connection: stream socket to the supervisor.
        threads: threads that torch may compute with.
        device: what the spare warms up.
        data: folder of the data sets.
    """
    if not select.select([connection], [], [], 0)[0]:  # an order that waits is not kept waiting
        warmup.warm_up(threads, device, data)
    run(Link(connection))
    os._exit(0)  # at once: an orderly end of torch takes a tenth of a second
