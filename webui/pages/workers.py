"""The workers."""

from __future__ import annotations

from flask import render_template, request

from core import queries
from core.database.models import Worker
from webui.api.shapes import WorkerShape
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part


@blueprint.get("/workers")
def workers() -> str:
    """The workers: those that are there first, then those that were."""
    cursor = request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.workers(session, cursor=cursor)
        shown = [
            WorkerShape.of(row).as_json() | {"status": _status(row[0], is_live=row[2])}
            for row in page.items
        ]
    return render_template(
        whole_or_part("workers/page.html", "workers/_list.html"),
        workers=shown,
        cursor=cursor,
        older=page.next,
    )


def _status(worker: Worker, *, is_live: bool) -> str:
    if worker.stopped_at is not None:
        return "stopped"
    return "live" if is_live else "silent"
