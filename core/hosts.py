"""Whether a process of this host has ended, beyond doubt: by a file that it keeps locked.

The kernel lets go of such a lock when the last process that has inherited it is gone, however it
ended, and in whichever container it ran. So whoever gets the lock knows that nobody is left, where
a process id may be another's by now, or hidden by a namespace. The lock counts on the boot of the
host on which it was taken, and by the very file: a copy of the folder, or a network file system on
another host, proves nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

FOLDER = ".workers"
BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str | None:
    """What names this host until it is started again; None where the system does not say."""
    try:
        return BOOT.read_text().strip() or None
    except OSError:
        return None


class HeldLock:
    """A lock that this process holds, and lends to the processes that it starts."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self.descriptor = descriptor
        """To be inherited by every process whose end is to be seen too."""
        self.name = _name(path, descriptor)

    @classmethod
    def take(cls, folder: Path) -> Self:
        """Take a lock of one's own in a folder that all of the host's workers share.

        Raises:
            OSError: the folder cannot be written.
        """
        place = folder / FOLDER
        place.mkdir(parents=True, exist_ok=True)
        path = place / secrets.token_hex(16)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return cls(path, descriptor)

    def release(self) -> None:
        """Let go of it, after an end that was written down."""
        self._path.unlink(missing_ok=True)
        os.close(self.descriptor)


@contextlib.contextmanager
def ended(folder: Path, name: str) -> Iterator[bool]:
    """Whether nobody is left who holds a lock that was taken on this host since it was started.

    Until the end of the block no other process finds out the same.

    Args:
        folder: that of `HeldLock.take`.
        name: that of the lock.

    Yields:
        True where it is sure. False where somebody holds it, or nobody can tell. Where it is true
        and the block ends without an error, the file is removed.
    """
    path = folder / FOLDER / name.partition(":")[0]
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        is_ended = _is_free(path, descriptor, name)
        yield is_ended
        if is_ended:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def sweep(folder: Path, age_s: float) -> None:
    """Remove files that nobody holds, and that were taken so long ago.

    They are of workers that were killed and found to be lost in another way: by their silence, or
    because their host was started again.
    """
    for path in (folder / FOLDER).glob("*"):
        with contextlib.suppress(OSError):
            found = path.stat()
            if time.time() - found.st_mtime >= age_s:
                with ended(folder, _name_of(path, found)):
                    pass  # at the end of the block it is gone


def _is_free(path: Path, descriptor: int, name: str) -> bool:
    if _name(path, descriptor) != name:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return os.fstat(descriptor).st_nlink > 0  # or another has found out, and removed it


def _name(path: Path, descriptor: int) -> str:
    return _name_of(path, os.fstat(descriptor))


def _name_of(path: Path, found: os.stat_result) -> str:
    """A file by its name and by what it is: a copy of it is another."""
    return f"{path.name}:{found.st_dev}:{found.st_ino}"
