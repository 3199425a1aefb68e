"""A preview that was asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.messages import Message, as_json
from webui.api.shapes.base import JSON, Shape


class PreviewShape(Shape):
    """Where the picture will be."""

    key: str
    url: str


class WaitingShape(Shape):
    """Why a picture is not there yet."""

    status: str
    detail: Annotated[str, Field(description="The reason in English.")]
    code: str
    params: JSON

    @classmethod
    def of(cls, reason: Message) -> WaitingShape:
        """The shape of a reason."""
        return cls(status="waiting", detail=reason.text, **as_json(reason))
