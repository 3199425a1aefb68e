"""A file that is on its way: what has arrived is kept beside its target, and continued next time.

It is named by the digest of what is wanted, so that no other file is ever continued, and locked, so
that two who save the same file each have one of their own.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

_PIECE = 1 << 20


class Partial:
    """The bytes of a file that have arrived."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._digest = hashlib.sha256()
        self.size = 0
        for piece in iter(lambda: file.read(_PIECE), b""):
            self._digest.update(piece)
            self.size += len(piece)

    @property
    def sha256(self) -> str:
        """Of all that has arrived."""
        return self._digest.hexdigest()

    def add(self, piece: bytes) -> None:
        """Keep what has arrived."""
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def start_over(self) -> None:
        """Keep nothing of it."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0

    def become(self, target: Path) -> None:
        """Be the file that was wanted, in one step."""
        self._file.flush()
        self._path.replace(target)


@contextlib.contextmanager
def arriving(target: Path, sha256: str) -> Iterator[Partial]:
    """The part of a file that is there; it stays for the next try, unless nothing has arrived."""
    if not target.parent.is_dir():  # which a lock would make
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
    path = target.with_name(f".{target.name}.{sha256[:16]}.part")
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:  # somebody else saves it: each by itself
        path = path.with_name(f"{path.name}.{os.getpid()}")
        lock = FileLock(f"{path}.lock")
        lock.acquire(timeout=0)
    try:
        with path.open("a+b") as file:
            file.seek(0)
            partial = Partial(file, path)
            try:
                yield partial
            finally:
                if not partial.size:
                    path.unlink(missing_ok=True)
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)
