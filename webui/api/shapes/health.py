"""How the server is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from webui.api.shapes.base import JSON, SparseShape


class HealthShape(SparseShape):
    """What is there: `ok` or `away`. The reason is given where Redis is away."""

    status: str
    database: str | None = None
    storage: str | None = None
    redis: str | None = None
    detail: Annotated[str | None, Field(description="The reason in English.")] = None
    code: str | None = None
    params: JSON | None = None
