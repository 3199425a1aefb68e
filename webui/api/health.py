"""The two addresses that say how the server is."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from core import queries
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
    """What is needed to serve is there. Redis may be away: submits and runs continue without it."""
    context = current()
    with context.database.reading() as session:
        queries.jobs(session, limit=1)
    context.storage.check()
    there = {"status": "ok", "database": "ok", "storage": "ok"}
    if context.wakeups.check():
        return jsonify(HealthShape(**there, redis="ok").as_json())
    reason = message("redis.away")
    away = HealthShape(**there, redis="away", detail=reason.text, **as_json(reason))
    return jsonify(away.as_json())
