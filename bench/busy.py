"""Busy processes, for benches that ask what a crowded machine does to a number."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator


@contextlib.contextmanager
def computing(count: int) -> Iterator[None]:
    """Keep processes busy."""
    processes = [multiprocessing.Process(target=_compute, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()


def _compute() -> None:
    while True:
        sum(range(10_000))
