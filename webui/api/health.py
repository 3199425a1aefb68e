"""The two addresses that say how the server is."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from core import queries, workers
from core.messages import as_json, message
from webui.api.shapes import HealthShape
from webui.context import current

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process is alive and serves requests."""
    return jsonify(HealthShape(status="ok").as_json())


@blueprint.get("/readyz")
def readyz() -> Response:
    """What is needed to serve is there. Without Redis or a worker it still serves, and says so."""
    context = current()
    with context.database.reading() as session:
        queries.jobs(session, limit=1)
        has_workers = bool(workers.live(session))
    context.storage.check()
    has_redis = context.wakeups.check()
    there = {
        "status": "ok",
        "database": "ok",
        "storage": "ok",
        "redis": "ok" if has_redis else "away",
        "workers": "ok" if has_workers else "none",
    }
    if has_redis and has_workers:
        return jsonify(HealthShape(**there).as_json())
    # of two reasons the one that matters more
    reason = message("redis.away" if has_workers else "workers.none")
    missing = HealthShape(**there, detail=reason.text, **as_json(reason))
    return jsonify(missing.as_json())
