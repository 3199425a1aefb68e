"""A blob store in a folder."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from core.errors import NotFound, Unavailable
from core.messages import message
from core.storage.blobs import IS_BLOB, Blob, Stored, digest

PART = ".part"
"""The end of the name of a copy that is not whole yet, or of a blob that is being deleted."""


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
            if _touch(target):
                return blob
            scratch = _part_of(target)
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
            raise _not_readable(error) from error

    def delete(self, blob: Blob) -> None:
        try:
            self._path(blob).unlink(missing_ok=True)
        except OSError as error:
            raise self._not_writable(error) from error

    def files(self, after: str = "") -> Iterator[Stored]:
        try:
            for folder in sorted(self.folder.glob("[0-9a-f][0-9a-f]")):
                if folder.name >= after[:2]:
                    names = sorted(entry.name for entry in os.scandir(folder))
                    found = (self.look(name) for name in names if name > after and _is_ours(name))
                    yield from (file for file in found if file is not None)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _not_readable(error) from error

    def look(self, name: str) -> Stored | None:
        try:
            return _stored(name, self._place(name).stat())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _not_readable(error) from error

    def discard(self, file: Stored) -> bool:
        """As promised, whoever puts the same bytes meanwhile.

        It is moved away first: a put either touched it before that, which shows here, or finds it
        gone, and copies.
        """
        place = self._place(file.name)
        aside = place if _is_part(file.name) else _part_of(place)
        try:
            if aside != place:
                place.rename(aside)
            if _stored(file.name, aside.stat()) != file:
                aside.rename(place)
                return False
            aside.unlink()
        except FileNotFoundError:
            return True
        except OSError as error:
            raise self._not_writable(error) from error
        return True

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
        return self._place(blob.sha256)

    def _place(self, name: str) -> Path:
        return self.folder / name[:2] / name


def _touch(path: Path) -> bool:
    """Give a file a new version; False where it is not there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _part_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.{uuid.uuid4().hex}{PART}")


def _is_part(name: str) -> bool:
    return name.endswith(PART)


def _is_ours(name: str) -> bool:
    return bool(IS_BLOB(name)) or (_is_part(name) and bool(IS_BLOB(name.partition(".")[0])))


def _stored(name: str, found: os.stat_result) -> Stored:
    return Stored(name, found.st_size, f"{found.st_ino}.{found.st_mtime_ns}")


def _not_readable(error: OSError) -> Unavailable:
    return Unavailable(message("storage.not_readable", detail=error.strerror or str(error)))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
