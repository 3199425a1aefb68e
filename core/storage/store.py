"""The blob store of an address.

`file:///folder` keeps blobs in a folder, `s3://bucket/prefix` in an object store (credentials and
endpoint from the usual `AWS_*` variables).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.storage.blobs import Storage
from core.storage.folder import Folder
from core.storage.s3 import ObjectStore


def connect(address: str, keys: Mapping[str, str] | None = None) -> Storage:
    """Make the store of an address. Nothing is opened before it is used.

    Args:
        address: where blobs are.
        keys: credentials of an object store that are not in its variables, by their names there.
    """
    parts = urlsplit(address)
    if parts.scheme == "s3":
        return ObjectStore(address, keys or {})
    return Folder(Path(unquote(parts.path)))
