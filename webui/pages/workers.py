"""The workers."""

from __future__ import annotations

from flask import render_template, request

from core import queries, workers
from core.database.models import Worker
from webui.api.shapes import WorkerShape
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part


@blueprint.get("/workers", endpoint="workers")
def workers_page() -> str:
    """The workers: those that are there first, then those that were."""
    cursor = request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.workers(session, cursor=cursor)
        live = {worker.id for worker in workers.live(session)}
        shown = [
            WorkerShape.of(row).as_json() | {"status": _status(row[0], live)}
            for row in sorted(page.items, key=lambda row: row[0].stopped_at is not None)
        ]
    return render_template(
        whole_or_part("workers/page.html", "workers/_list.html"),
        workers=shown,
        cursor=cursor,
        older=page.next,
    )


def _status(worker: Worker, live: set[int]) -> str:
    if worker.stopped_at is not None:
        return "stopped"
    return "live" if worker.id in live else "silent"
