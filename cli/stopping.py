"""What a signal to end does: the terminal is left as it was, and nothing waits for long."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LONGEST_S = 5.0
"""That what was begun may take after such a signal."""
LOOK_EVERY_S = 0.5


@contextlib.contextmanager
def in_order() -> Iterator[None]:
    """End by SIGTERM as by an error, so that whoever draws on the screen can put it back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextlib.contextmanager
def waited_for() -> Iterator[threading.Event]:
    """An event that such a signal sets. Whatever runs then has some seconds, and ends with us.

    A thread of its own waits for the signals: a handler would run in the main thread, and not while
    that waits in a library for a service, and could set no event whose lock the main thread holds.
    """
    stop, is_over = threading.Event(), threading.Event()

    def wait() -> None:
        while signal.sigtimedwait(SIGNALS, LOOK_EVERY_S) is None:
            if is_over.is_set():
                return
        stop.set()
        if not is_over.wait(LONGEST_S):  # what was written is whole: all of it is in transactions
            sys.stdout.flush()
            os._exit(0)

    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    waiting = threading.Thread(target=wait, name="signals", daemon=True)
    waiting.start()
    try:
        yield stop
    finally:
        is_over.set()
        waiting.join()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)
