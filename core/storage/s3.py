"""A blob store in an object store."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from core.errors import NotFound, Unavailable
from core.messages import message
from core.storage.blobs import IS_BLOB, Blob, Stored, digest

RETRIES = 3

# a bucket that does not exist is a file that is not found, to obstore
_AWAY: tuple[type[Exception], ...] = (BaseError, FileNotFoundError)


class ObjectStore:
    """Blobs in an S3 bucket. An upload appears whole or not at all."""

    def __init__(self, address: str, keys: Mapping[str, str] | None = None) -> None:
        self.address = address
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        self._store = S3Store.from_url(
            address,
            config=cast("Any", dict(keys or {})),  # before what the variables say
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
            raise NotFound(message("storage.no_blob", sha256=blob.sha256)) from None
        except BaseError as error:
            raise self._away(error) from error
        return cast("IO[bytes]", io.BufferedReader(_Raw(reader)))

    def delete(self, blob: Blob) -> None:
        try:
            obstore.delete(self._store, blob.sha256)  # S3 minds no object that is not there
        except _AWAY as error:
            raise self._away(error) from error

    def files(self, after: str = "") -> Iterator[Stored]:
        try:
            for chunk in obstore.list(self._store, offset=after or None, chunk_size=1000):
                yield from (_stored(found) for found in chunk if IS_BLOB(found["path"]))
        except _AWAY as error:
            raise self._away(error) from error

    def look(self, name: str) -> Stored | None:
        try:
            return _stored(obstore.head(self._store, name))
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise self._away(error) from error

    def discard(self, file: Stored) -> bool:
        """As promised, but for a put between the look and the delete, some milliseconds apart."""
        if self.look(file.name) not in (file, None):
            return False
        self.delete(Blob(file.name, file.size))
        return True

    def check(self) -> None:
        try:
            next(iter(obstore.list(self._store, chunk_size=1)), None)
        except _AWAY as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> Unavailable:
        first_line = _first_line(error)
        return Unavailable(message("storage.no_answer", place=self.address, detail=first_line))


def _stored(found: Any) -> Stored:
    version = f"{found['e_tag']} {found['last_modified'].isoformat()}"
    return Stored(found["path"], found["size"], version)


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
            first_line = _first_line(error)
            raise Unavailable(message("storage.stopped_answering", detail=first_line)) from error
        buffer[: len(data)] = data
        return len(data)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
