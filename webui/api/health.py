"""The two addresses that say how the server is."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from core import queries
from webui.context import current

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process is alive and serves requests."""
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """What is needed to serve is there. Redis may be away: submits and runs continue without it."""
    context = current()
    with context.database.reading() as session:
        queries.jobs(session, limit=1)
    context.storage.check()
    redis = "ok" if context.wakeups.check() else "away: runs start a few seconds later"
    return jsonify({"status": "ok", "database": "ok", "storage": "ok", "redis": redis})
