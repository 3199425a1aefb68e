"""What the coach says about a run, with its evidence."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.coach import Advice, Bar, Curves, Errors, Evidence, Intervals, Series
from webui.api.shapes.base import JSON, Reason, Shape


class SeriesShape(Shape):
    """A curve of the evidence."""

    value: str
    at: list[int]
    values: list[float]

    @classmethod
    def of(cls, series: Series) -> SeriesShape:
        """The shape of a series."""
        return cls(value=series.value, at=list(series.at), values=list(series.values))


class IntervalShape(Shape):
    """An accuracy, and where its true value lies with 95% confidence."""

    job_id: int
    epoch: Annotated[int | None, Field(description="null: of the published weights.")]
    accuracy: float
    low: float
    high: float

    @classmethod
    def of(cls, bar: Bar) -> IntervalShape:
        """The shape of an accuracy with its interval."""
        return cls.model_validate(bar)


class EvidenceShape(Shape):
    """Where an advice is seen: in curves, in accuracies, or in test images."""

    kind: Literal["curves", "intervals", "images"]
    by: Literal["epoch", "step"] | None = None
    series: list[SeriesShape] = Field(default_factory=list)
    first: Annotated[int | None, Field(description="Where the part begins that shows it.")] = None
    last: int | None = None
    level: Annotated[float | None, Field(description="The loss of guessing.")] = None
    intervals: list[IntervalShape] = Field(default_factory=list)
    images: list[int] = Field(default_factory=list, description="Places in the test set.")

    @classmethod
    def of(cls, evidence: Evidence) -> EvidenceShape:
        """The shape of any evidence."""
        match evidence:
            case Curves():
                drawn = [*evidence.series, *([evidence.rate] if evidence.rate else [])]
                return cls(
                    kind="curves",
                    by=evidence.by,
                    series=[SeriesShape.of(each) for each in drawn],
                    first=evidence.first,
                    last=evidence.last,
                    level=evidence.level,
                )
            case Intervals():
                bars = [IntervalShape.of(each) for each in evidence.bars]
                return cls(kind="intervals", intervals=bars)
            case Errors():
                return cls(kind="images", images=list(evidence.indexes))


class AdviceShape(Shape):
    """What the coach says about a run."""

    rule: str
    title: Reason
    seen: Reason
    action: Reason
    why: Reason
    changes: Annotated[JSON, Field(description="Fields that a corrected clone changes.")]
    clone: Annotated[str | None, Field(description="Path of the form with these changes.")]
    evidence: EvidenceShape

    @classmethod
    def of(cls, advice: Advice, clone: str | None) -> AdviceShape:
        """The shape of an advice."""
        return cls(
            rule=advice.rule,
            title=Reason.of(advice.title),
            seen=Reason.of(advice.seen),
            action=Reason.of(advice.action),
            why=Reason.of(advice.why),
            changes=dict(advice.changes),
            clone=clone,
            evidence=EvidenceShape.of(advice.evidence),
        )


class AdvicesShape(Shape):
    """All that the coach says about a run, the most important first."""

    items: list[AdviceShape]
