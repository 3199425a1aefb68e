"""The evaluation of a run on the test set: shaded cells, and a diagram's geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template, request

from core import formats, queries
from core.languages import gettext
from core.statistics import ConfidenceKind, confidence_kind
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part
from webui.pages.mistakes import Mistake, mistakes

SIDE = 200
"""Width and height of the diagram of calibration, in its own units."""

FIRST_ERRORS = 24
"""As many are shown at once; the others are folded away."""

ENOUGH = 30
"""Images by which the accuracy of a bin is known well enough to be drawn in full."""

FAINTEST = 0.25

SORTED_BY = ("precision", "recall", "f1", "support")
"""What classes can be put in order by."""

JSON = dict[str, Any]


@blueprint.get("/jobs/<int:job_id>/evaluation")
def evaluation(job_id: int) -> str:
    """What a run's published weights do on the test set; its own page fetches the part."""
    with current().database.reading() as session:
        row, _ = queries.job(session, job_id)
        content = queries.evaluation(session, job_id).content
        return render_template(
            whole_or_part("evaluation/page.html", "evaluation/_evaluation.html"),
            job=row,
            published_epoch=row.published_epoch,
            evaluation=shown(content, request.args.get("by", "")),
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """How many images of one class were predicted to be of another."""

    true: int
    predicted: int
    count: int
    shade: float
    """0 to 1: the root of its share of the class, so that one in a hundred is seen."""
    weight: float
    """0 to 1: the root of its count as a share of the largest one of the matrix."""
    is_correct: bool
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Predictions of about the same confidence, in the diagram: y goes down from the top."""

    x: float
    y: float
    width: float
    height: float
    opacity: float
    """Faint where it stands for few images: what three of them do says little."""
    confidence: float
    accuracy: float
    count: int
    gap_y: float
    gap_height: float
    """From the accuracy to the confidence: what the network is off by."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An evaluation, ready to be shown."""

    count: int
    accuracy: float
    loss: float
    names: Sequence[str]
    confusion: Sequence[Sequence[Cell]]
    """A row for each true class."""
    classes: Sequence[JSON]
    """In the order of `sorted_by`."""
    sorted_by: str
    """A key of a class, after `-` from its largest value; empty: in the order of the labels."""
    calibration_error: float
    confidence: float | None
    """The mean confidence of all predictions; None where there are none."""
    bars: Sequence[Bar]
    errors: Sequence[Mistake]

    @property
    def confidence_kind(self) -> ConfidenceKind:
        """Whether it is surer than it is right, by more than chance explains."""
        return confidence_kind(self.confidence or 0.0, self.accuracy, self.count)

    @property
    def has_long_names(self) -> bool:
        """Whether the names of the classes are too long to stand over narrow columns."""
        return any(len(name) > 2 for name in self.names)

    @property
    def has_all_errors(self) -> bool:
        """Whether there are no other errors than these."""
        return sum(
            cell.count for row in self.confusion for cell in row if not cell.is_correct
        ) == len(self.errors)

    @property
    def first_errors(self) -> Sequence[Mistake]:
        """Those that are shown at once."""
        return self.errors[:FIRST_ERRORS]

    @property
    def other_errors(self) -> Sequence[Mistake]:
        """Those that are folded away."""
        return self.errors[FIRST_ERRORS:]


def shown(content: JSON, sorted_by: str = "") -> Shown:
    """An evaluation, from what the worker wrote down."""
    names = [each["name"] for each in content["classes"]]
    calibration = content["calibration"]
    sorted_by = sorted_by if sorted_by.removeprefix("-") in SORTED_BY else ""
    largest = max((count for row in content["confusion"] for count in row), default=0)
    return Shown(
        count=content["count"],
        accuracy=content["accuracy"],
        loss=content["loss"],
        names=names,
        confusion=[
            [
                _cell(names, true, predicted, count, sum(row), largest)
                for predicted, count in enumerate(row)
            ]
            for true, row in enumerate(content["confusion"])
        ],
        classes=_ordered(content["classes"], sorted_by),
        sorted_by=sorted_by,
        calibration_error=calibration["expected_calibration_error"],
        confidence=_mean_confidence(calibration["bins"]),
        bars=_bars(calibration["bins"]),
        errors=mistakes(content, content["mistakes"]),
    )


def _ordered(classes: Sequence[JSON], sorted_by: str) -> list[JSON]:
    """Classes with their places, in an order."""
    placed = [{**each, "label": label} for label, each in enumerate(classes)]
    if not sorted_by:
        return placed
    key = sorted_by.removeprefix("-")
    return sorted(placed, key=lambda each: each[key], reverse=sorted_by.startswith("-"))


def _mean_confidence(bins: Sequence[JSON]) -> float | None:
    filled = [each for each in bins if each["count"]]
    count = sum(each["count"] for each in filled)
    return sum(each["confidence"] * each["count"] for each in filled) / count if count else None


def _cell(
    names: Sequence[str], true: int, predicted: int, count: int, of: int, largest: int
) -> Cell:
    is_correct = true == predicted
    facts = {"true": names[true], "count": formats.whole(count), "of": formats.whole(of)}
    if is_correct:
        title = gettext("%(true)s: %(count)s of %(of)s correct", **facts)
    else:
        title = gettext(
            "%(true)s: %(count)s of %(of)s predicted as %(predicted)s",
            predicted=names[predicted],
            **facts,
        )
    return Cell(
        true=true,
        predicted=predicted,
        count=count,
        shade=round((count / of) ** 0.5, 3) if of else 0,
        weight=round((count / largest) ** 0.5, 3) if largest else 0,
        is_correct=is_correct,
        title=title,
    )


def _bars(bins: Sequence[JSON]) -> list[Bar]:
    """The bins that have images; each is as wide as its share of the scale."""
    return [
        Bar(
            x=round(each["lower"] * SIDE, 2),
            y=round((1 - each["accuracy"]) * SIDE, 2),
            width=round((each["upper"] - each["lower"]) * SIDE, 2),
            height=round(each["accuracy"] * SIDE, 2),
            opacity=round(max(FAINTEST, min(1, each["count"] / ENOUGH)), 2),
            confidence=each["confidence"],
            accuracy=each["accuracy"],
            count=each["count"],
            gap_y=round((1 - max(each["accuracy"], each["confidence"])) * SIDE, 2),
            gap_height=round(abs(each["accuracy"] - each["confidence"]) * SIDE, 2),
        )
        for each in bins
        if each["count"]
    ]
