"""A published file of a run."""

from __future__ import annotations

from webui.api.shapes.base import Shape, Timestamp


class ArtifactShape(Shape):
    """A file to download; `kind` is `checkpoint`, `export` or `card`."""

    id: int
    kind: str
    format: str
    filename: str
    size: int
    sha256: str
    epoch: int
    created_at: Timestamp
