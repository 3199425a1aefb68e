"""What a blob store promises: files written once, named by their SHA-256, and never changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored file: its digest (its name) and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as a store has it: a blob, or the rest of a copy that was cut off."""

    name: str
    """Of a blob, its SHA-256."""

    size: int

    version: str
    """Another one whenever the same bytes were put again."""


class Storage(Protocol):
    """A blob store."""

    def put(self, path: Path) -> Blob:
        """Store a copy of a file; on return it is complete and safe.

        Raises:
            Unavailable: the store is away, full, or not writable.
        """

    def open(self, blob: Blob) -> IO[bytes]:
        """Open a blob for reading; the file can seek.

        Raises:
            NotFound: the store has no such blob.
            Unavailable: the store is away.
        """

    def delete(self, blob: Blob) -> None:
        """Delete a blob; one that is not there is deleted already.

        Raises:
            Unavailable: the store is away, or not writable.
        """

    def files(self, after: str = "") -> Iterator[Stored]:
        """The files that follow a name, in the order of their names; what is not ours is left out.

        Raises:
            Unavailable: the store is away, or not readable.
        """

    def look(self, name: str) -> Stored | None:
        """A file as it is now; None where there is none.

        Raises:
            Unavailable: the store is away, or not readable.
        """

    def discard(self, file: Stored) -> bool:
        """Delete a file, unless it was put again since it was listed: then False.

        Raises:
            Unavailable: the store is away, or not writable.
        """

    def check(self) -> None:
        """Raise `Unavailable` where the store cannot be reached."""


IS_BLOB = re.compile("[0-9a-f]{64}").fullmatch
"""Whether a name is that of a blob."""


def digest(path: Path) -> Blob:
    """The SHA-256 and size of a file."""
    with path.open("rb") as file:
        return Blob(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
