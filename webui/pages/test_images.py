"""The test images of a run by their true class and by what they were predicted as."""

from __future__ import annotations

from flask import Response, render_template

from core import derived, queries
from core.asked import key_of
from core.datasets.builtin import DATASETS
from core.errors import NotFound
from core.messages import message
from webui.context import current
from webui.pages import pictures, wanted
from webui.pages.addressed import number, part_of
from webui.pages.blueprint import blueprint
from webui.pages.predicted import choose

KEPT_FOR_S = 24 * 3600
"""How long a browser keeps a picture: test images never change."""


@blueprint.get("/jobs/<int:job_id>/evaluation/images")
def evaluation_images(job_id: int) -> str:
    """Test images of one cell of a confusion matrix, of a row, of a column, or all errors."""
    with current().database.reading() as session:
        job, _ = queries.job(session, job_id)
        content = queries.evaluation(session, job_id).content
        can_be_tried = queries.newest_artifact(session, job_id, "onnx") is not None
    names = [each["name"] for each in content["classes"]]
    true, predicted = (number(name, len(names) - 1) for name in ("true", "predicted"))
    found = choose(content, true, predicted)
    part = part_of(found)
    return render_template(
        "evaluation/images.html",
        job=job,
        names=names,
        label=true,
        predicted=predicted,
        count=len(found),
        counted=sum(content["confusion"][true]) if true is not None else content["count"],
        opposite=content["confusion"][predicted][true]
        if true is not None and predicted is not None and true != predicted
        else 0,
        are_known="predictions" in content,
        shown=part.items,
        pictures=pictures.of(job.dataset, [each.index for each in part.items], [content]),
        first=part.first,
        page=part.page,
        pages=part.pages,
        can_be_tried=can_be_tried,
    )


@blueprint.get("/test-images/<dataset>/<int:index>.png")
def test_image(dataset: str, index: int) -> Response:
    """The picture of one test image, where a worker has made them."""
    info = DATASETS.get(dataset)
    if info is None or index >= info.test_count:
        raise NotFound(message("request.unknown_address"))
    row = derived.find(current().database, key_of(derived.test_images(dataset)))
    found = pictures.pngs(info, wanted.of(row), [index]) if row else {}
    if not found:
        raise NotFound(message("derived.expired"))
    response = Response(found[index], content_type="image/png")
    response.cache_control.private = True
    response.cache_control.max_age = KEPT_FOR_S
    return response
