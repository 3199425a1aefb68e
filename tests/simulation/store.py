"""A blob store in memory, which can be away, and lets others do something before it answers."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import IO

from core.errors import NotFound, Unavailable
from core.messages import message
from core.storage.blobs import Blob


class SimulatedStore:
    """The blobs by their digests. It is a `core.storage.blobs.Storage` but for `put`."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.is_away = False
        self.meanwhile: Callable[[], None] | None = None
        """What others do while a blob is being deleted."""

    def keep(self, content: bytes) -> Blob:
        """Store some bytes."""
        self.check()
        blob = Blob(hashlib.sha256(content).hexdigest(), len(content))
        self.blobs[blob.sha256] = content
        return blob

    def damage(self, sha256: str) -> None:
        """Change the last byte of a blob."""
        self.blobs[sha256] = self.blobs[sha256][:-1] + b"?"

    def open(self, blob: Blob) -> IO[bytes]:
        self.check()
        if blob.sha256 not in self.blobs:
            raise NotFound(message("storage.no_blob", sha256=blob.sha256))
        return io.BytesIO(self.blobs[blob.sha256])

    def delete(self, blob: Blob) -> None:
        self.check()
        self.blobs.pop(blob.sha256, None)
        if self.meanwhile is not None:
            self.meanwhile()

    def check(self) -> None:
        if self.is_away:
            raise Unavailable(message("storage.not_readable", detail="a fault of the simulation"))
