"""The clock by which a worker and its trainers count the time of a lease."""

from __future__ import annotations

import time


def elapsed() -> float:
    """Seconds by a clock of this host that nobody sets, and that counts while it sleeps.

    It is the same for all processes of the host.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)
