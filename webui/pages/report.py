"""A report of one run on one page of paper: facts, curves, numbers, and what makes it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import render_template
from sqlalchemy.orm import Session

from core import formats, queries
from core.database.models import Attempt, Job
from core.errors import InvalidInput
from core.languages import gettext
from core.queries import Curve, Extent
from core.spec import facts
from core.spec.fields import sections
from webui import networks
from webui.api.shapes import ArtifactShape, timestamp, whole_job
from webui.context import current
from webui.filters import seconds_between
from webui.forms.describing import described, kind_of, title_of
from webui.pages.blueprint import blueprint
from webui.pages.curve_picture import Picture, draw

POINTS = 200
FEW_EPOCHS = 3
"""Of fewer there is no curve to draw but that of their batches."""
MOST_ERRORS = 5
MOST_CLASSES = 10
"""Of more classes, those with the lowest F1 are printed."""

Lines = dict[tuple[str, str], Sequence[float | None]]
"""Columns by the name and the color of their lines."""

_LOSSES = ("train_loss", "validation_loss", "test_loss")
_ACCURACIES = ("validation_accuracy", "test_accuracy")
_COLORS = {"train": "train", "validation": "validation", "test": "test"}


@blueprint.get("/jobs/<int:job_id>/report")
def report(job_id: int) -> str:
    """A run to print: it needs no script, and changes no more."""
    with current().database.reading(repeatable=True) as session:
        row, worker = queries.job(session, job_id)
        attempts = queries.attempts(session, job_id, queries.LARGEST_LIMIT).items
        files = queries.artifacts(session, job_id, queries.LARGEST_LIMIT).items
        groups, rest = described(row.spec)
        return render_template(
            "run/report.html",
            job=whole_job(session, row, worker, seen_by=current().seen_by).as_json(),
            validated=facts.has_validation(row.spec),
            took_s=_took_s(attempts),
            device=next((each.device for each, _ in reversed(attempts) if each.device), None),
            files=[ArtifactShape.model_validate(file).as_json() for file in files],
            parameters=_parameters(row),
            groups=groups,
            kinds=_kinds(row),
            rest=rest,
            printed_at=timestamp(datetime.now(UTC)),
            pictures=_pictures(session, row),
            **_classes(session, row),
        )


def _kinds(row: Job) -> dict[str, tuple[str, str]]:
    """Sections that have kinds, by the titles of their groups: each with its kind."""
    return {
        title_of(section, row.spec): (section.title, kind_of(section, row.spec))
        for section in sections()
        if section.has_kinds
    }


def _parameters(row: Job) -> int | None:
    """Of its network; None where this release does not know its dataset, or its network."""
    try:
        parts = {part: row.spec[part] for part in networks.PARTS if part in row.spec}
        return networks.summarize(parts).parameters
    except InvalidInput:
        return None


def _took_s(attempts: Sequence[tuple[Attempt, str]]) -> float | None:
    """Seconds that its attempts took, without what it waited between them; None: none has ended."""
    ended = [(each.started_at, each.finished_at) for each, _ in attempts if each.finished_at]
    return sum(seconds_between(*each) for each in ended) if ended else None


def _pictures(session: Session, row: Job) -> list[Picture]:
    curve = queries.epochs_curve(session, row.id, Extent(POINTS), (*_LOSSES, *_ACCURACIES))
    best = queries.best_epoch(session, row.id)
    marks = {gettext("published"): row.published_epoch}
    if best and best["epoch"] != row.published_epoch:
        marks[gettext("best")] = best["epoch"]
    losses = _lines(curve, _LOSSES)
    at: Sequence[float] = curve.at
    if len(curve.at) < FEW_EPOCHS:
        at, losses = _with_batches(session, row, curve.at, losses)
    drawn = (
        draw(gettext("Loss"), at, losses, formats.short, marks=marks),
        draw(
            gettext("Accuracy"),
            curve.at,
            _lines(curve, _ACCURACIES),
            formats.percent_tick,
            is_share=True,
            marks=marks,
        )
        if len(curve.at) > 1  # a single point is a number, and stands above
        else None,
    )
    return [each for each in drawn if each]


def _with_batches(
    session: Session, row: Job, epochs: Sequence[int], losses: Lines
) -> tuple[Sequence[float], Lines]:
    """The losses of few epochs with that of the batches between them, for there are no curves."""
    samples = queries.metrics_curve(session, row.id, Extent(POINTS), ["train_loss"])
    if not samples.at or not row.batches:
        return epochs, losses
    places = [step / row.batches for step in samples.at]
    at = sorted({*places, *epochs})
    found: Lines = {
        (gettext("train (batches)"), "train"): _spread(
            at, places, samples.values["train_loss"]["last"]
        )
    }
    for (name, color), column in losses.items():
        if color != "train":
            found[name, color] = _spread(at, epochs, column)
    return at, found


def _spread(
    at: Sequence[float], places: Sequence[float], column: Sequence[float | None]
) -> Sequence[float | None]:
    """A column over more places than it has values at."""
    by_place = dict(zip(places, column, strict=True))
    return [by_place.get(each) for each in at]


def _lines(curve: Curve, values: tuple[str, ...]) -> Lines:
    names = {
        "train": gettext("train"),
        "validation": gettext("validation"),
        "test": gettext("test"),
    }
    found: Lines = {}
    for value in values:
        which = value.partition("_")[0]
        column = curve.values[value]["last"]
        if any(each is not None for each in column):
            found[names[which], _COLORS[which]] = column
    return found


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """How many test images of a class are taken for another."""

    true: str
    predicted: str
    count: int


def _errors(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> list[ErrorCount]:
    """The errors that are made most often."""
    found = [
        ErrorCount(names[true], names[predicted], count)
        for true, row in enumerate(confusion)
        for predicted, count in enumerate(row)
        if true != predicted and count
    ]
    return sorted(found, key=lambda each: -each.count)[:MOST_ERRORS]


def _classes(session: Session, row: Job) -> dict[str, Any]:
    """The classes that are printed, and of how many they are."""
    content = queries.evaluations(session, [row.id]).get(row.id)
    classes = content.content["classes"] if content else []
    confusion = content.content["confusion"] if content else []
    worst = sorted(classes, key=lambda each: each["f1"])[:MOST_CLASSES]
    return {
        "classes": [each for each in classes if each in worst],
        "all_classes": len(classes),
        "errors": _errors(confusion, [each["name"] for each in classes]),
        "calibration_error": content.content["calibration"]["expected_calibration_error"]
        if content
        else None,
    }
