"""Dying with the worker: a pipe whose write end only the worker holds."""

from __future__ import annotations

import fcntl
import os
import select
import signal


def bind_lifetime(lifeline: int) -> None:
    """Have the kernel kill this process when nobody holds the write end of a pipe any more.

    The end of a pipe's last writer is an event like new data, and the kernel sends its reader the
    signal of its choice (fcntl's F_SETSIG). So a process whose worker is gone ends even while it
    is stopped or hangs; and, unlike with a parent-death signal, a trainer outlives its zygote.

    Args:
        lifeline: descriptor of the read end. Closing it lets go of the line.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | fcntl.FASYNC)
    if is_readable(lifeline, 0):  # it ended before we were listening
        os._exit(1)


def is_readable(descriptor: int, timeout_s: float) -> bool:
    """Whether a descriptor is readable, or at its end, within some seconds."""
    poll = select.poll()  # unlike select, it takes descriptors above 1023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))
