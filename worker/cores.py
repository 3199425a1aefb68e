"""The cores that this process may compute with: its affinity, and a container's quota of time.

A container with `--cpus 2` on a host of 64 sees all 64. With a thread for each, the kernel would
stop all of them for most of every tenth of a second.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def usable_cores(mount: Path = CGROUPS, own: Path = OWN_CGROUPS) -> int:
    """The cores that this process may use; of a quota, the whole ones, and at least one.

    Args:
        mount: where the control groups are.
        own: the file that names those of this process.
    """
    cores = _by_affinity()
    quota = cpu_quota(mount, own)
    return cores if quota is None else max(1, min(cores, int(quota)))


def cpu_quota(mount: Path = CGROUPS, own: Path = OWN_CGROUPS) -> float | None:
    """The smallest quota of the groups that this process is in, in cores; None: there is none."""
    quotas = [quota for folder in _folders(mount, own) for quota in _quotas(folder)]
    return min(quotas, default=None)


def _by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _folders(mount: Path, own: Path) -> Iterator[Path]:
    """The folders of this process's groups and of all that these are in.

    In a container the file may name a path of the host, which is not there: the root of the mount
    is the container's own group then.
    """
    for line in _text(own).splitlines():
        _number, controllers, path = line.split(":", 2)
        if not controllers:  # version 2: one tree for all controllers
            root = mount
        elif "cpu" in controllers.split(","):
            root = mount / "cpu" if (mount / "cpu").is_dir() else mount / controllers
        else:
            continue
        inside = PurePosixPath(path.lstrip("/"))
        if ".." in inside.parts:
            inside = PurePosixPath()
        for part in (inside, *inside.parents):
            yield root / part


def _quotas(folder: Path) -> Iterator[float]:
    """The quota of one group, if it has one: `max 100000`, or a file each and -1 in version 1."""
    quota = _text(folder / "cpu.max").split()
    if not quota:
        files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota = [_text(folder / name).strip() for name in files]
    if len(quota) == 2 and all(each.isdigit() and int(each) for each in quota):
        yield int(quota[0]) / int(quota[1])


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
