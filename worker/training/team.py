"""A team of threads for pieces of work that do not depend on each other.

Each piece is computed by operations of one thread. So what comes out does not depend on how many
threads there are, and nobody waits for another before the end of a piece: where a neighbor has
taken a core, the rest of the team does the pieces that are left.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, Self, TypeVar

import torch

Piece = TypeVar("Piece")


class _Work(Generic[Piece]):
    """The pieces of one `map`, and who has which."""

    def __init__(self, function: Callable[[int], Piece], count: int) -> None:
        self._function = function
        self._waiting = deque(range(count))
        self._done: SimpleQueue[tuple[int, Piece | None, BaseException | None]] = SimpleQueue()
        self._count = count

    def share(self) -> None:
        """Do pieces until none waits."""
        while True:
            try:
                number = self._waiting.popleft()
            except IndexError:
                return
            try:
                self._done.put((number, self._function(number), None))
            except BaseException as error:  # noqa: BLE001  (whoever asked for the work gets it)
                self._done.put((number, None, error))

    def results(self) -> list[Piece]:
        """The results in order, once all are there."""
        answers = sorted((self._done.get() for _ in range(self._count)), key=lambda each: each[0])
        for _, _, error in answers:
            if error is not None:
                raise error
        return [result for _, result, _ in answers]  # type: ignore[misc]  # there was no error


class Team:
    """The thread that asks for work, and others that help it. Nobody waits by spinning."""

    def __init__(self, threads: int = 1) -> None:
        """Start the helpers.

        Args:
            threads: that compute at once, the caller's own among them.
        """
        self.threads = threads
        self._offers: SimpleQueue[_Work[Any] | None] = SimpleQueue()
        self._helpers = [
            threading.Thread(target=self._help, name=f"helper {number}", daemon=True)
            for number in range(1, threads)
        ]
        for helper in self._helpers:
            helper.start()

    def map(self, function: Callable[[int], Piece], count: int) -> list[Piece]:
        """Call `function` with each number from 0 to `count` - 1, several at once.

        Gradients, inference mode and autocast are set thread by thread in torch: the function sets
        what it needs.

        Returns:
            The results, by number.
        """
        work = _Work(function, count)
        for _ in self._helpers[: count - 1]:
            self._offers.put(work)
        work.share()
        return work.results()

    def close(self) -> None:
        """Let the helpers go."""
        for _ in self._helpers:
            self._offers.put(None)
        for helper in self._helpers:
            helper.join()
        self._helpers = []
        self.threads = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _help(self) -> None:
        torch.set_num_threads(1)  # for this thread
        while (work := self._offers.get()) is not None:
            work.share()
            del work  # its results may be large
