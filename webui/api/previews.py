"""Previews of augmented images: asked for here, drawn by a worker, shown by the form.

The form asks with its own fields and its token, programs ask with JSON; both get the address at
which the picture will be.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for

from core import previews, workers
from core.database.models import Preview
from core.errors import InvalidInput, NotFound
from core.messages import Message, message
from core.messaging.pubsub import NO_JOB
from core.spec import presets, spec
from webui.api.description import Answer, Body, describe
from webui.api.requests import json_object
from webui.api.shapes import PreviewShape, WaitingShape
from webui.context import current
from webui.forms import reading
from webui.problems import problem, refusal

blueprint = Blueprint("previews", __name__, url_prefix="/api/v1/previews")
form = Blueprint("preview_form", __name__)

LOOK_AGAIN_AFTER_S = 1

Asked = tuple[Response, int, dict[str, str]]


@blueprint.post("")
@describe(
    Answer((PreviewShape,), status=202, headers=["Location"]),
    body=Body(parts=previews.PARTS, example={"dataset": "digits"}),
)
def ask() -> Asked:
    """Ask for a preview."""
    return _ask(json_object())


@form.post("/previews")
def ask_as_typed() -> Asked | Response:
    """Ask for the preview of a form as it stands; a script asks, so the answer is JSON."""
    typed = reading.submission(request.form)["spec"]
    try:
        return _ask({name: typed[name] for name in previews.PARTS if name in typed})
    except InvalidInput as error:
        mistakes = reading.placed(reading.as_typed(request.form), error.errors)
        detail = "; ".join(f"{mistake.title}: {mistake.message}" for mistake in mistakes)
        errors = [each.as_json() for each in error.errors]
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)


def _ask(asked: spec.Spec) -> Asked:
    unknown = sorted(set(asked) - set(previews.PARTS))
    if unknown:
        reason = message("input.unknown_field_of_these", parts=list(previews.PARTS))
        raise InvalidInput.one(unknown[0], reason)
    context = current()
    key = previews.ask(context.database, previews.request(presets.resolve(None, asked)))
    context.wakeups.announce("preview", NO_JOB)
    url = url_for("previews.show", key=key)
    shape = PreviewShape(key=key, url=url)
    return jsonify(shape.as_json()), HTTPStatus.ACCEPTED, {"Location": url}


@blueprint.get("/<string(length=64):key>.png")
@describe(
    Answer(media="image/png", headers=["ETag"]),
    Answer((WaitingShape,), status=202, headers=["Retry-After"]),
    Answer(media="", status=304),
    problems=[424],
)
def show(key: str) -> Response:
    """The picture, or how far it is."""
    preview = previews.find(current().database, key)
    if preview is None:
        raise NotFound(message("preview.expired"))
    if preview.image is not None:
        return _picture(preview.image, key)
    if preview.error is not None:
        return refusal(HTTPStatus.FAILED_DEPENDENCY, preview.error)
    answer = jsonify(WaitingShape.of(_why_it_waits(preview)).as_json())
    answer.status_code = HTTPStatus.ACCEPTED
    answer.headers["Retry-After"] = str(LOOK_AGAIN_AFTER_S)
    return answer


def _why_it_waits(preview: Preview) -> Message:
    if preview.taken_at is not None:
        return message("preview.being_drawn")
    with current().database.reading() as session:
        if workers.serving(session):
            return message("preview.waits")
        if workers.live(session):
            return message("preview.all_drained")
        if workers.starting(session):
            return message("preview.worker_starting")
    return message("preview.no_worker")


def _picture(image: bytes, key: str) -> Response:
    response = Response(image, content_type="image/png")
    response.set_etag(key)
    response.cache_control.private = True
    response.cache_control.max_age = int(previews.KEPT_FOR_S)
    answer: Any = response.make_conditional(request)
    assert isinstance(answer, Response)
    return answer
