"""How many processes the kernel has killed because memory was full, as far as it can be read.

A process that is killed for its memory ends by SIGKILL like any other: only these counters tell
the difference, and they do not say which process it was.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


def kills(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """The number so far: in our own control group, else, where there is none, of the whole host.

    In a container the group is the container's, so the kills of its neighbors do not count.
    """
    for counter, name in (
        (cgroups / _group(proc) / "memory.events", "oom_kill"),
        (proc / "vmstat", "oom_kill"),
    ):
        with contextlib.suppress(OSError, ValueError):
            for line in counter.read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == name:
                    return int(value)
    return 0


def _group(proc: Path) -> str:
    """The path of our own group in the unified hierarchy (version 2), relative to its root."""
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            if line.startswith("0::/"):
                return line.removeprefix("0::/")
    return ""
