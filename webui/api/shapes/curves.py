"""Curves: samples or epochs summed up in buckets, in columns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.queries import Curve
from webui.api.shapes.base import Shape


class Statistics(Shape):
    """What a value was in each bucket of a curve; null where it was not measured."""

    min: list[float | None]
    max: list[float | None]
    last: list[float | None]
    mean: list[float | None]


class CurveShape(Shape):
    """A curve in buckets."""

    job_id: int
    by: Literal["step", "epoch"]
    at: Annotated[list[int], Field(description="Step or epoch of the last in each bucket.")]
    count: Annotated[list[int], Field(description="How many are in each bucket.")]
    values: dict[str, Statistics]

    @classmethod
    def of(cls, curve: Curve) -> CurveShape:
        """The shape of a curve."""
        return cls(
            job_id=curve.job_id,
            by=curve.by,
            at=list(curve.at),
            count=list(curve.count),
            values={
                value: Statistics(**{name: list(each) for name, each in statistics.items()})
                for value, statistics in curve.values.items()
            },
        )


class CurvesShape(Shape):
    """The curves of several runs."""

    items: list[CurveShape]
