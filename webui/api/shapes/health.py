"""How the server is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from webui.api.shapes.base import JSON, SparseShape


class HealthShape(SparseShape):
    """What is there: `ok` or `away`.

    Redis may also be `refuses`, the workers `lost`, `starting` or `none`. The reasons are given
    where Redis or workers are not as they should be.
    """

    status: str
    database: str | None = None
    storage: str | None = None
    redis: str | None = None
    workers: Annotated[
        str | None,
        Field(
            description="`lost`: one was lost in the last day, and no other of its name is live."
        ),
    ] = None
    detail: Annotated[
        str | None, Field(description="The reasons in English; the code is that of the first.")
    ] = None
    code: str | None = None
    params: JSON | None = None
