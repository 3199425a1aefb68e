"""Curves: the metric samples and the epochs of runs, row by row or in buckets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from flask import Response, jsonify, request

from core import queries
from core.database.models import LARGEST_KEY
from core.errors import InvalidInput
from core.messages import message
from core.queries import Curve
from webui.api import downloads, shapes
from webui.api.blueprint import blueprint
from webui.api.description import Answer, Parameter, describe
from webui.api.downloads import Query
from webui.api.jobs import rows_of_job
from webui.api.requests import (
    OF_EXTENT,
    ORDER,
    PAGED,
    extent,
    format_of,
    newest_first,
    selected,
    values_of,
)
from webui.api.shapes import Listing, Shape
from webui.context import current

MOST_RUNS = 50
"""Runs whose curves can be asked for at once."""
MOST_POINTS = 20_000
"""Points of all of them together: an answer of that size takes a second to make."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured of a run: as rows, or as a curve."""

    name: str
    rows: Query
    shape: type[Shape]
    values: Sequence[str]
    """What a curve may be asked for."""
    curve: Callable[..., Curve]


EPOCHS = Measured("epochs", queries.epochs, shapes.Epoch, queries.MEASURED, queries.epochs_curve)
METRICS = Measured(
    "metrics", queries.metrics, shapes.MetricSample, queries.METRICS, queries.metrics_curve
)
RESOURCES = Measured(
    "resources", queries.resources, shapes.ResourceSample, queries.READ, queries.resources_curve
)

JOBS = Parameter(
    "job",
    {
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": LARGEST_KEY},
        "minItems": 1,
        "maxItems": MOST_RUNS,
    },
    "The numbers of the runs.",
    is_needed=True,
    is_repeated=True,
)
POINTS = replace(OF_EXTENT[0], is_needed=True)


def _of_curve(measured: Measured) -> list[Parameter]:
    return [*PAGED, *OF_EXTENT, values_of(measured.values), format_of(downloads.CSV)]


@blueprint.get("/jobs/<int:job_id>/epochs")
@describe(
    Answer((Listing[shapes.Epoch], shapes.CurveShape)),
    Answer(media="text/csv"),
    parameters=[ORDER, *_of_curve(EPOCHS)],
)
def epochs(job_id: int) -> Response:
    """A page of a run's epochs; with `points`, their curve."""
    return _answer(job_id, EPOCHS, lambda: {"newest_first": newest_first()})


@blueprint.get("/jobs/<int:job_id>/metrics")
@describe(
    Answer((Listing[shapes.MetricSample], shapes.CurveShape)),
    Answer(media="text/csv"),
    parameters=_of_curve(METRICS),
)
def metrics(job_id: int) -> Response:
    """A page of a run's metric samples; with `points`, their curve."""
    return _answer(job_id, METRICS)


@blueprint.get("/jobs/<int:job_id>/resources")
@describe(
    Answer((Listing[shapes.ResourceSample], shapes.CurveShape)),
    Answer(media="text/csv"),
    parameters=_of_curve(RESOURCES),
)
def resources(job_id: int) -> Response:
    """A page of what a run took of its device and its host; with `points`, the curve of it."""
    return _answer(job_id, RESOURCES)


def _answer(
    job_id: int, measured: Measured, order: Callable[[], dict[str, bool]] = dict
) -> Response:
    if downloads.is_asked_for(downloads.CSV):
        return downloads.as_csv(job_id, measured.name, measured.rows, measured.shape)
    wanted = extent()
    if wanted is None:
        return rows_of_job(job_id, measured.rows, measured.shape.model_validate, **order())
    values = selected("values", measured.values)
    with current().database.reading(repeatable=True) as session:
        queries.job(session, job_id)  # 404 where there is no such job
        curve = measured.curve(session, job_id, wanted, values)
        return jsonify(shapes.CurveShape.of(curve).as_json())


@blueprint.get("/jobs/<int:job_id>/points")
@describe(
    Answer((Listing[shapes.MetricSample], shapes.CurveShape)),
    Answer(media="text/csv"),
    parameters=_of_curve(METRICS),
    is_former=True,
)
def points(job_id: int) -> Response:
    """`metrics`, at its address of version 0.1."""
    return metrics(job_id)


@blueprint.get("/metrics")
@describe(
    shapes.CurvesShape,
    parameters=[JOBS, POINTS, *OF_EXTENT[1:], values_of(queries.METRICS)],
    problems=[404],
)
def metrics_of_runs() -> Response:
    """The curves of the metric samples of several runs."""
    job_ids = _job_ids()
    wanted = extent()
    if wanted is None:
        raise InvalidInput.one("points", message("input.required"))
    if wanted.points * len(job_ids) > MOST_POINTS:
        raise InvalidInput.one("points", message("input.limit", most=MOST_POINTS // len(job_ids)))
    values = selected("values", queries.METRICS)
    parts = current()
    with parts.database.reading(repeatable=True) as session:
        for job_id in job_ids:
            queries.job(session, job_id)
            if parts.seen_by is not None:
                queries.refuse_unseen(session, job_id, parts.seen_by)
        found = [queries.metrics_curve(session, each, wanted, values) for each in job_ids]
        items = [shapes.CurveShape.of(curve) for curve in found]
        return jsonify(shapes.CurvesShape(items=items).as_json())


def _job_ids() -> list[int]:
    """The runs that are asked for, each once."""
    texts = request.args.getlist("job")
    if not texts:
        raise InvalidInput.one("job", message("input.required"))
    if len(texts) > MOST_RUNS:
        raise InvalidInput.one("job", message("input.too_many", most=MOST_RUNS))
    if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts):
        raise InvalidInput.one("job", message("input.run_number"))
    return [int(text) for text in dict.fromkeys(texts)]
