"""The workers."""

from __future__ import annotations

from flask import render_template, request

from core import queries
from webui.api.shapes import WorkerShape
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part


@blueprint.get("/workers")
def workers() -> str:
    """The workers: those that are there first, then those that were."""
    cursor = request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.workers(session, cursor=cursor)
        shown = [WorkerShape.of(row).as_json() for row in page.items]
    return render_template(
        whole_or_part("workers/page.html", "workers/_list.html"),
        workers=shown,
        cursor=cursor,
        older=page.next,
    )
