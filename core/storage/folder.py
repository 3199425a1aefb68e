"""A blob store in a folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from pathlib import Path
from typing import IO

from core.errors import NotFound, Unavailable
from core.storage.blobs import Blob, digest


class Folder:
    """Blobs in a folder: `ab/abcdef…`. A blob appears by a rename, once it is on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, path: Path) -> Blob:
        scratch: Path | None = None
        try:
            blob = digest(path)
            target = self._path(blob)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                return blob
            scratch = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
            with path.open("rb") as source, scratch.open("xb") as copy:
                shutil.copyfileobj(source, copy, 1024 * 1024)
                copy.flush()
                os.fsync(copy.fileno())
            scratch.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            if scratch is not None:
                with contextlib.suppress(OSError):
                    scratch.unlink()
            raise Unavailable(
                f"The file store {self.folder} cannot be written ({error.strerror}). "
                "Free some space or mend its permissions, then try again."
            ) from error
        return blob

    def open(self, blob: Blob) -> IO[bytes]:
        try:
            return self._path(blob).open("rb")
        except FileNotFoundError:
            raise NotFound(f"The file store has no blob {blob.sha256}.") from None
        except OSError as error:
            raise Unavailable(f"The file store cannot be read ({error.strerror}).") from error

    def delete(self, blob: Blob) -> None:
        try:
            self._path(blob).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"The file store cannot be written ({error.strerror}).") from error

    def check(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"The file store {self.folder} is not there ({error.strerror})."
            ) from error
        if not os.access(self.folder, os.W_OK):
            raise Unavailable(f"The file store {self.folder} cannot be written.")

    def _path(self, blob: Blob) -> Path:
        return self.folder / blob.sha256[:2] / blob.sha256


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
