"""Work in a thread of its own that nobody has to wait for: a file store may never answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from core import logs

Result = TypeVar("Result")


def begin(work: Callable[[], Result], name: str) -> Future[Result]:
    """Begin some work.

    Unlike that of an executor, its thread keeps no process from ending.

    Args:
        work: to be done once.
        name: of the thread.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  (whoever waits for the result gets it)
            future.set_exception(error)

    threading.Thread(target=logs.carried(run), name=name, daemon=True).start()
    return future
