"""What a run's network has learned: its first filters, and the test images in two dimensions.

A worker computes both from the published weights when somebody looks, so runs of earlier releases
have them too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import dist
from statistics import fmean
from typing import Any

from flask import render_template

from core import derived, predictions, queries
from core.datasets.builtin import DATASETS
from core.datasets.info import DatasetInfo
from core.errors import NotFound
from core.messages import message
from webui.context import current
from webui.pages import wanted
from webui.pages.blueprint import blueprint, whole_or_part

FINEST = 65_535
"""A point's largest coordinate (`outputs.insight.FINEST`)."""

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The images of one class in the plane; coordinates from 0 to 1, y upwards."""

    label: int
    name: str
    count: int
    x: float
    y: float
    """The middle of its images."""
    spread: float
    """How far an image lies from there, on average."""
    nearest: str | None
    """The class whose middle is the nearest; None where there is no other."""
    distance: float | None


@blueprint.get("/jobs/<int:job_id>/insight")
def insight(job_id: int) -> str:
    """The filters of a run's published network, and a map of the test images as it sees them."""
    with current().database.reading() as session:
        job, _ = queries.job(session, job_id)
        asked = derived.insight(session, job)
    dataset = DATASETS.get(job.dataset)
    if asked is None or dataset is None:
        raise NotFound(message("derived.no_weights", job_id=job_id))
    file = wanted.want(asked)
    content = _content(file)
    if content is not None:
        wanted.want(derived.test_images(job.dataset))  # those that are pointed at
    return render_template(
        whole_or_part("evaluation/insight.html", "evaluation/_insight.html"),
        job=job,
        dataset=dataset,
        wanted=file,
        content=content,
        clusters=clusters(content["embedding"], dataset) if content else [],
        data=_data(content["embedding"], dataset) if content else None,
    )


def _content(file: wanted.Wanted) -> JSON | None:
    opened = wanted.opened(file)
    if opened is None:
        return None
    with opened:
        content: JSON = json.load(opened)
    return content


def _data(embedding: JSON, dataset: DatasetInfo) -> JSON:
    """What the script draws."""
    columns = ("x", "y", "labels", "predictions")
    return {
        **{name: list(predictions.unpack(embedding[name])) for name in columns},
        "finest": FINEST,
        "total": embedding["total"],
        "classes": dataset.classes,
        "dataset": dataset.name,
        "size": dataset.size,
    }


def clusters(embedding: JSON, dataset: DatasetInfo) -> list[Cluster]:
    """Where the images of each class lie: the map in words."""
    x, y, labels = (predictions.unpack(embedding[name]) for name in ("x", "y", "labels"))
    places: dict[int, list[tuple[float, float]]] = {}
    for across, up, label in zip(x, y, labels, strict=True):
        places.setdefault(label, []).append((across / FINEST, up / FINEST))
    middles = {label: _middle(found) for label, found in places.items()}
    return [_cluster(label, places[label], middles, dataset.classes) for label in sorted(places)]


def _middle(places: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return fmean(x for x, _ in places), fmean(y for _, y in places)


def _cluster(
    label: int,
    places: Sequence[tuple[float, float]],
    middles: dict[int, tuple[float, float]],
    names: Sequence[str],
) -> Cluster:
    own = middles[label]
    others = [(dist(own, middle), other) for other, middle in middles.items() if other != label]
    distance, nearest = min(others) if others else (None, None)
    return Cluster(
        label=label,
        name=names[label],
        count=len(places),
        x=own[0],
        y=own[1],
        spread=fmean(dist(own, place) for place in places),
        nearest=None if nearest is None else names[nearest],
        distance=distance,
    )
