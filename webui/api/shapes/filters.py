"""A saved filter as other programs see it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from webui.api.shapes.base import Shape, Timestamp


class FilterShape(Shape):
    """A view of the list of runs that somebody keeps under a name."""

    id: int
    owner: str
    name: str
    query: Annotated[str, Field(description="What stands in the address of the list.")]
    created_at: Timestamp
