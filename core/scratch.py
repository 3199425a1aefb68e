"""Folders for the files of processes that run: each is locked by its owner, and the rest is swept.

A worker that is killed together with all that it started leaves its folder. The kernel lets go of
its lock, so whoever comes later sees that nobody owns it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "trainyard-"
SIGN = "zygote.txt"
"""A file in every such folder, by which it is told from others of that prefix."""


class Scratch:
    """A scratch folder that this process owns until it ends. Not safe in several threads."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock: int | None = None
        self.hold()

    def hold(self) -> None:
        """Make the folder again where the host has tidied it away, and lock it."""
        self.folder.mkdir(exist_ok=True)
        found = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        if self._lock is not None and os.path.sameopenfile(self._lock, found):
            os.close(found)
            return
        fcntl.flock(found, fcntl.LOCK_SH)
        self._release()
        self._lock = found

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None


def sweep(age_s: float) -> int:
    """Remove the folders of this host that nobody owns, and that nothing was written in lately.

    The age is for workers of earlier releases, which lock theirs not.

    Returns:
        How many were removed.
    """
    return sum(_remove(folder, age_s) for folder in _folders())


def sweep_downloads(data: Path) -> None:
    """Remove what downloads have left in a data folder that were killed."""
    for lock in data.glob(".*.lock"):
        left = [each for each in data.glob(f"{lock.name.removesuffix('lock')}*/") if each.is_dir()]
        if left:
            with contextlib.suppress(Timeout, OSError), FileLock(lock, timeout=0):
                for folder in left:
                    shutil.rmtree(folder, ignore_errors=True)


def size_of(folder: Path) -> int:
    """The bytes of the files in a folder; one that is gone meanwhile counts as none."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_size
    return total


def total_size() -> int:
    """The bytes in all scratch folders of this user on this host."""
    return sum(size_of(folder) for folder in _folders())


def _folders() -> Iterator[Path]:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.geteuid() and (folder / SIGN).is_file():
                yield folder


def _remove(folder: Path, age_s: float) -> bool:
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        written_at = max(each.stat().st_mtime for each in (folder, folder / SIGN))
        if time.time() - written_at < age_s:
            return False
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
        return True
    return False
