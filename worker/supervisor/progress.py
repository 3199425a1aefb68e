"""Whether a trainer hangs: it has shown no progress for longer than any step of it should take.

A slow machine is not taken for a hang. The limit is many times the longest step so far, and never
below a setting. Only the time counts in which the trainer could have got on: not that in which it
waited for a core or for its own memory, nor that in which this worker stood still itself, as it
does in a container that is paused or on a host that is suspended.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from core.protocol.pulse import Beat, Phase
from worker.processes.group import Group
from worker.processes.trainer import Trainer

LOOK_EVERY_S = 2.0
LONGEST_LOOK_S = 2 * LOOK_EVERY_S
"""The most that counts between two looks: what is longer, we have not seen."""

STEPS = 20.0
"""How many times its longest step a trainer may take for another."""

# how many times the setting each phase may take between two beats: within these there are few
_PATIENCE: dict[Phase, float] = {
    "starting": 2.0,
    "downloading": 36.0,
    "compiling": 6.0,
    "training": 1.0,
    "evaluating": 1.0,
    "saving": 2.0,
    "exporting": 6.0,
}


@dataclass(frozen=True, slots=True)
class Hang:
    """What a trainer was doing when it stopped doing it."""

    phase: Phase
    silent_s: float
    """Seconds without progress, as far as they count."""


class ProgressWatch:
    """Watches the pulse of one trainer, from its order on. To be asked every `look_every_s`."""

    def __init__(
        self,
        trainer: Trainer | Group,
        shortest_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
            trainer: whose pulse it is.
            shortest_s: the limit where its steps are short.
            clock: a monotonic one.
        """
        self.look_every_s = min(LOOK_EVERY_S, shortest_s / 4)
        self._trainer = trainer
        self._shortest_s = shortest_s
        self._clock = clock
        self._longest_s: defaultdict[Phase, float] = defaultdict(float)
        self.begin()

    def begin(self) -> None:
        """Count from now on: the trainer has been given its order."""
        self._trainer.held_up_s()
        self._looked_at = self._clock()
        self._beat = self._trainer.pulse.read()
        self._silent_s = 0.0

    @property
    def next_due(self) -> float:
        """When to look again, by the clock."""
        return self._looked_at + self.look_every_s

    def look(self) -> Hang | None:
        """Note progress, when it is due; the hang, where there has been none for too long."""
        if self._clock() < self.next_due:
            return None
        beat = self._trainer.pulse.read()
        self._count(beat)
        if beat != self._beat:
            self._beat, self._silent_s = beat, 0.0
            return None
        if self._silent_s < self._limit_s(beat.phase):
            return None
        return Hang(beat.phase, self._silent_s)

    def _count(self, beat: Beat) -> None:
        """Add the time since the last look to the silence, and learn from a silence that ended."""
        now = self._clock()
        elapsed, self._looked_at = now - self._looked_at, now
        held_up = self._trainer.held_up_s()
        self._silent_s += max(0.0, min(elapsed, LONGEST_LOOK_S) - held_up)
        if beat != self._beat:
            phase, beats = self._beat.phase, beat.number - self._beat.number
            self._longest_s[phase] = max(self._longest_s[phase], self._silent_s / max(1, beats))

    def _limit_s(self, phase: Phase) -> float:
        return max(self._shortest_s * _PATIENCE[phase], STEPS * self._longest_s[phase])
