"""The pulse of a trainer: what it is doing, and that it still gets on with it.

A page of memory that a trainer and its supervisor share. A beat costs the trainer less than a
microsecond, so there is one for each batch, where a report would be too dear. What it says is read
at any time, also of a trainer that hangs.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

Phase = Literal[
    "starting", "downloading", "compiling", "training", "evaluating", "saving", "exporting"
]
"""What a trainer does. `compiling`: it trains, and torch compiles the network on the way."""

PHASES: tuple[Phase, ...] = get_args(Phase)

SIZE = 16
"""Bytes: the phase, then the number of beats."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What a pulse says at one moment. Two that differ have progress between them."""

    phase: Phase
    number: int


class Pulse:
    """A trainer's pulse, as either side has it."""

    def __init__(self, memory: bytearray | mmap.mmap | None = None) -> None:
        """Begin in the phase `starting`.

        Args:
            memory: `SIZE` bytes; None: nobody listens.
        """
        self._cells = memoryview(bytearray(SIZE) if memory is None else memory).cast("Q")

    @classmethod
    def shared(cls, descriptor: int) -> Pulse:
        """The pulse in a file of `SIZE` bytes, which may be closed afterwards."""
        return cls(mmap.mmap(descriptor, SIZE))

    def beat(self) -> None:
        """Say that there was progress: a batch is done."""
        self._cells[1] += 1

    def enter(self, phase: Phase) -> None:
        """Say what is done from here on."""
        self._cells[0] = PHASES.index(phase)
        self.beat()

    @contextlib.contextmanager
    def within(self, phase: Phase) -> Iterator[None]:
        """Say that something else is done for a while."""
        before = self.read().phase
        self.enter(phase)
        try:
            yield
        finally:
            self.enter(before)

    def read(self) -> Beat:
        """What it says now."""
        return Beat(PHASES[self._cells[0]], self._cells[1])
