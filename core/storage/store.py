"""The blob store of an address.

`file:///folder` keeps blobs in a folder, `s3://bucket/prefix` in an object store (credentials and
endpoint from the usual `AWS_*` variables).
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.storage.blobs import Storage
from core.storage.folder import Folder
from core.storage.s3 import ObjectStore


def connect(address: str) -> Storage:
    """Make the store of an address. Nothing is opened before it is used."""
    parts = urlsplit(address)
    if parts.scheme == "s3":
        return ObjectStore(address)
    return Folder(Path(unquote(parts.path)))
