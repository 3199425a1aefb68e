"""How the server is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from webui.api.shapes.base import JSON, SparseShape


class HealthShape(SparseShape):
    """What is there: `ok`, or `away` or `none`. The reason is given where something is missing."""

    status: str
    database: str | None = None
    storage: str | None = None
    redis: str | None = None
    workers: str | None = None
    detail: Annotated[str | None, Field(description="The reason in English.")] = None
    code: str | None = None
    params: JSON | None = None
