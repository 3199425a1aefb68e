"""A blob store in a folder."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from pathlib import Path
from typing import IO

from core.errors import NotFound, Unavailable
from core.messages import message
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
            raise self._not_writable(error) from error
        return blob

    def open(self, blob: Blob) -> IO[bytes]:
        try:
            return self._path(blob).open("rb")
        except FileNotFoundError:
            raise NotFound(message("storage.no_blob", sha256=blob.sha256)) from None
        except OSError as error:
            detail = error.strerror or str(error)
            raise Unavailable(message("storage.not_readable", detail=detail)) from error

    def delete(self, blob: Blob) -> None:
        try:
            self._path(blob).unlink(missing_ok=True)
        except OSError as error:
            raise self._not_writable(error) from error

    def check(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._not_writable(error) from error
        if not os.access(self.folder, os.W_OK):
            raise self._not_writable(PermissionError(errno.EACCES, os.strerror(errno.EACCES)))

    def _not_writable(self, error: OSError) -> Unavailable:
        detail = error.strerror or str(error)
        return Unavailable(message("storage.not_writable", place=str(self.folder), detail=detail))

    def _path(self, blob: Blob) -> Path:
        return self.folder / blob.sha256[:2] / blob.sha256


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
