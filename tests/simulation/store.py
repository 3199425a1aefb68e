"""A blob store in memory, which can be away, and lets others do something before it answers."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from core.errors import NotFound, Unavailable
from core.messages import message
from core.storage.blobs import Blob, Stored


class SimulatedStore:
    """A `core.storage.blobs.Storage`: blobs by their digests, and rests of copies beside them."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.is_away = False
        self.meanwhile: Callable[[], None] | None = None
        """What others do while a blob is being put or deleted."""
        self._versions: dict[str, str] = {}
        self._puts = 0

    def put(self, path: Path) -> Blob:
        return self.keep(path.read_bytes())

    def keep(self, content: bytes) -> Blob:
        """Store some bytes."""
        self.check()
        blob = Blob(hashlib.sha256(content).hexdigest(), len(content))
        self._write(blob.sha256, content)
        return blob

    def leave_part(self, content: bytes) -> None:
        """Be cut off while some bytes are stored, by the end of the process that stores them."""
        digest = hashlib.sha256(content).hexdigest()
        self._write(f"{digest}.{self._puts}.part", content[:1])

    def damage(self, sha256: str) -> None:
        """Change the last byte of a blob."""
        if sha256 in self.blobs:
            self.blobs[sha256] = self.blobs[sha256][:-1] + b"?"

    def open(self, blob: Blob) -> IO[bytes]:
        self.check()
        if blob.sha256 not in self.blobs:
            raise NotFound(message("storage.no_blob", sha256=blob.sha256))
        return io.BytesIO(self.blobs[blob.sha256])

    def delete(self, blob: Blob) -> None:
        self.check()
        self.blobs.pop(blob.sha256, None)
        self._let_others_act()

    def files(self, after: str = "") -> Iterator[Stored]:
        self.check()
        names = sorted(name for name in self.blobs if name > after)
        yield from (self._stored(name) for name in names)

    def look(self, name: str) -> Stored | None:
        self.check()
        return self._stored(name) if name in self.blobs else None

    def discard(self, file: Stored) -> bool:
        self.check()
        self._let_others_act()
        if file.name in self.blobs and self._stored(file.name) != file:
            return False
        self.blobs.pop(file.name, None)
        return True

    def check(self) -> None:
        if self.is_away:
            raise Unavailable(message("storage.not_readable", detail="a fault of the simulation"))

    def _write(self, name: str, content: bytes) -> None:
        self._puts += 1
        self.blobs[name] = content
        self._versions[name] = str(self._puts)

    def _stored(self, name: str) -> Stored:
        return Stored(name, len(self.blobs[name]), self._versions[name])

    def _let_others_act(self) -> None:
        if self.meanwhile is not None:
            self.meanwhile()
