"""The two addresses that say how the server is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, jsonify

from core import queries, workers
from core.messages import Message, as_json, message
from webui.access import NOBODY
from webui.api.description import describe
from webui.api.shapes import HealthShape
from webui.context import current

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@describe(HealthShape)
def healthz() -> Response:
    """The process is alive and serves requests."""
    return jsonify(HealthShape(status="ok").as_json())


@blueprint.get("/readyz")
@describe(HealthShape)
def readyz() -> Response:
    """What is needed to serve is there.

    Redis and workers may be away: submits continue without them, and the reason is told, to
    strangers that something is away and no more.
    """
    context = current()
    with context.database.reading() as session:
        queries.jobs(session, limit=1)
        names = queries.queues(session)
        is_served, missing = bool(workers.live(session)), workers.missing(session)
        is_coming = not is_served and bool(workers.starting(session))
    context.storage.check()
    trouble = context.wakeups.trouble(names)
    reasons = [trouble] if trouble else []
    if missing:
        lost = sorted(worker.name for worker in missing)
        reasons.append(message("workers.lost", count=len(lost), names=lost))
    elif is_coming:
        reasons.append(message("workers.starting"))
    elif not is_served:
        reasons.append(message("workers.none"))
    shape = HealthShape(
        status="ok",
        database="ok",
        storage="ok",
        redis=_REDIS[trouble.code] if trouble else "ok",
        workers=_called(is_served=is_served, is_coming=is_coming, is_lost=bool(missing)),
        **_first([] if context.actor is NOBODY else reasons),  # hosts have names
    )
    return jsonify(shape.as_json())


def _called(*, is_served: bool, is_coming: bool, is_lost: bool) -> str:
    if is_lost:
        return "lost"
    return "ok" if is_served else "starting" if is_coming else "none"


_REDIS = {"redis.away": "away", "redis.refuses": "refuses"}


def _first(reasons: Sequence[Message]) -> dict[str, Any]:
    """The reasons in one sentence after the other, with the code of the first."""
    if not reasons:
        return {}
    return {"detail": " ".join(reason.text for reason in reasons), **as_json(reasons[0])}
