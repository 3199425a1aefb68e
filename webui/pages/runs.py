"""The list of runs."""

from __future__ import annotations

from flask import render_template, request

from core import queries
from core.jobs import status
from core.spec import facts
from core.states import STATES
from webui.api.shapes import JobShape
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part


@blueprint.get("/")
def jobs() -> str:
    """The list of runs, newest first, perhaps of one state only."""
    state, cursor = request.args.get("state", ""), request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.jobs(session, [state] if state else [], cursor=cursor)
        waits = status.explain(session, [row for row, _ in page.items])
        shown = [
            JobShape.of(row, worker, waits.get(row.id)).as_json()
            | {"summary": facts.summary(row.spec)}
            for row, worker in page.items
        ]
    return render_template(
        whole_or_part("runs/page.html", "runs/_list.html"),
        jobs=shown,
        waits=waits,
        state=state,
        states=STATES,
        cursor=cursor,
        older=page.next,
    )
