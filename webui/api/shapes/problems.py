"""Why a request was refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from webui.api.shapes.base import JSON, Shape, SparseShape


class FieldProblem(Shape):
    """What is wrong with a field that was sent."""

    field: Annotated[str, Field(description="A dotted path, such as `optimizer.momentum`.")]
    message: Annotated[str, Field(description="The reason in English.")]
    code: str
    params: JSON


class Problem(SparseShape):
    """The body of an error (RFC 9457): a code with its parameters, or the fields that are wrong."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Field(description="The reason in English.")]
    code: str | None = None
    params: JSON | None = None
    errors: list[FieldProblem] | None = None
