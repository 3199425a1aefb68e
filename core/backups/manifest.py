"""What a backup says of itself: the file without which a folder is none.

It is written last and in one move, so whoever is killed before leaves the backup that was there.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.errors import BackupFailed
from core.messages import message
from core.storage.blobs import IS_BLOB, Blob

FORMAT = 1
"""Goes up when an earlier release could no longer read what is written."""
NAME = "manifest.json"
BLOBS = "blobs"
"""The folder of the blobs, in which they lie as in a store: `file:///…/blobs` is one."""
ROWS = "rows-"
"""How the folder of the rows begins; each backup makes one of its own."""
LIST = "blobs.txt"
"""The blobs that the rows name, in the folder of the rows: digest and size, a line each."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table: how many, and the digest of the file that holds them."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup that is whole."""

    trainyard: str
    """The version of Trainyard that made it."""
    schema: str
    """The revision of the tables."""
    instance: str
    """The name of the database (`core/database/instance.py`)."""
    made_at: str
    """By the database's clock: the moment that the rows are of."""
    database: str
    """`sqlite` or `postgresql`: where the rows were."""
    rows: str
    """The folder of the rows."""
    tables: dict[str, Table]
    sequences: dict[str, int]
    """By table, the last number that was given."""
    blobs: int
    bytes: int
    """Of the blobs."""
    blob_list: str
    """The digest of the list of them."""
    lacking: list[str] = field(default_factory=list)
    """Blobs that rows name and the store did not have, or had damaged."""
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Make a folder a backup, or the backup in it this one."""
        scratch = folder / f"{NAME}.{os.getpid()}.part"
        with scratch.open("w") as file:
            file.write(json.dumps(asdict(self), indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(folder / NAME)
        sync(folder)


def read(folder: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        BackupFailed: the folder holds no whole backup, or one that this release cannot read.
    """
    try:
        stored: dict[str, Any] = json.loads((folder / NAME).read_text())
        if stored["format"] > FORMAT:
            raise BackupFailed(message("backup.of_later_release", folder=str(folder)))
        tables = {name: Table(**each) for name, each in stored.pop("tables").items()}
        return Manifest(tables=tables, **stored)
    except FileNotFoundError:
        raise BackupFailed(message("backup.none", folder=str(folder))) from None
    except OSError as error:
        detail = error.strerror or str(error)
        raise BackupFailed(message("backup.not_readable", path=NAME, detail=detail)) from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BackupFailed(message("backup.damaged", path=str(folder / NAME))) from None


def write_list(path: Path, blobs: list[Blob]) -> str:
    """Write a list of blobs; gives its digest."""
    lines = "".join(f"{blob.sha256} {blob.size}\n" for blob in blobs)
    path.write_text(lines)
    return hashlib.sha256(lines.encode()).hexdigest()


def read_list(folder: Path, manifest: Manifest) -> list[Blob]:
    """The blobs of a backup that it has.

    Raises:
        BackupFailed: the list is damaged.
    """
    path = folder / manifest.rows / LIST
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != manifest.blob_list:
        raise BackupFailed(message("backup.damaged", path=str(path)))
    lines = (line.split() for line in content.decode().splitlines())
    return [Blob(name, int(size)) for name, size in lines if IS_BLOB(name)]


def sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
