"""How long a process has waited through no fault of its own: for a core, or for its own memory.

A trainer that hangs is known by its silence. One whose cores a neighbor has taken, or whose memory
lies on the disk, is silent too: the kernel counts how long it was ready to run and could not, and
how often it had to wait for a page to be read.
"""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

PROC = Path("/proc")
NANOSECONDS = 1e-9
_MAJOR_FAULTS = 12 - 3
"""Its place in `/proc/PID/stat` (proc(5): field 12) behind the name, where field 3 is the first."""


class HeldUp:
    """The waiting of one process. Where the kernel does not tell, there is none."""

    def __init__(self, process_id: int, proc: Path = PROC) -> None:
        self._folder = proc / str(process_id)
        self._delays: dict[str, int] = {}
        self._faults = 0

    def since_last(self) -> float:
        """The seconds since the last call in which it could not get on.

        Of its threads, those of the one that waited longest for a core; without end where a page
        was read meanwhile, since that may have been all the time.
        """
        before, faults_before = self._delays, self._faults
        self._delays, self._faults = self._read_delays(), self._read_faults()
        if self._faults > faults_before:
            return math.inf
        waited = [delay - before.get(thread, 0) for thread, delay in self._delays.items()]
        return max(waited, default=0) * NANOSECONDS

    def _read_delays(self) -> dict[str, int]:
        """Nanoseconds that each thread was ready to run and had no core."""
        delays: dict[str, int] = {}
        with contextlib.suppress(OSError):  # it has ended
            for thread in (self._folder / "task").iterdir():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    delays[thread.name] = int((thread / "schedstat").read_text().split()[1])
        return delays

    def _read_faults(self) -> int:
        """Pages that it had to wait for."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            _, _, fields = (self._folder / "stat").read_text().rpartition(") ")
            return int(fields.split()[_MAJOR_FAULTS])
        return 0
