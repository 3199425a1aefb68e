"""The blob store: files that are written once, named by their SHA-256, and never changed.

`file:///folder` keeps them in a folder, `s3://bucket/prefix` in an object store (credentials and
endpoint from the usual `AWS_*` variables). Writing the same bytes twice is the same blob.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from core.errors import NotFound, Unavailable

RETRIES = 3

# a bucket that does not exist is a file that is not found, to obstore
_AWAY: tuple[type[Exception], ...] = (BaseError, FileNotFoundError)


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored file: its digest (its name) and its size in bytes."""

    sha256: str
    size: int


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

    def check(self) -> None:
        """Raise `Unavailable` where the store cannot be reached."""


def connect(address: str) -> Storage:
    """Make the store of an address. Nothing is opened before it is used."""
    parts = urlsplit(address)
    if parts.scheme == "s3":
        return ObjectStore(address)
    return Folder(Path(unquote(parts.path)))


def digest(path: Path) -> Blob:
    """The SHA-256 and size of a file."""
    with path.open("rb") as file:
        return Blob(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


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


class ObjectStore:
    """Blobs in an S3 bucket. An upload appears whole or not at all."""

    def __init__(self, address: str) -> None:
        self.address = address
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        self._store = S3Store.from_url(
            address,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "timeout": "60s",
                "connect_timeout": "5s",
            },
            retry_config={"max_retries": RETRIES},
        )

    def put(self, path: Path) -> Blob:
        blob = digest(path)
        try:
            obstore.put(self._store, blob.sha256, path)
        except _AWAY as error:
            raise self._away(error) from error
        return blob

    def open(self, blob: Blob) -> IO[bytes]:
        try:
            obstore.head(self._store, blob.sha256)
            reader = obstore.open_reader(self._store, blob.sha256, size=blob.size)
        except FileNotFoundError:
            raise NotFound(f"The file store has no blob {blob.sha256}.") from None
        except BaseError as error:
            raise self._away(error) from error
        return cast("IO[bytes]", io.BufferedReader(_Raw(reader)))

    def delete(self, blob: Blob) -> None:
        try:
            obstore.delete(self._store, blob.sha256)  # S3 minds no object that is not there
        except _AWAY as error:
            raise self._away(error) from error

    def check(self) -> None:
        try:
            next(iter(obstore.list(self._store, chunk_size=1)), None)
        except _AWAY as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> Unavailable:
        first_line = str(error).splitlines()[0][:300]
        return Unavailable(f"The file store {self.address} does not answer ({first_line}).")


class _Raw(io.RawIOBase):
    """An object store's reader as a Python file."""

    def __init__(self, reader: obstore.ReadableFile) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as the C code does
        try:
            data = memoryview(self._reader.read(len(buffer)))
        except _AWAY as error:
            first_line = str(error).splitlines()[0][:300]
            raise Unavailable(f"The file store stopped answering ({first_line}).") from error
        buffer[: len(data)] = data
        return len(data)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
