"""The list of runs."""

from __future__ import annotations

from flask import render_template, request

from core import queries
from core.jobs import events
from core.spec import facts
from core.states import STATES
from webui.api.shapes import list_of_jobs
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part


@blueprint.get("/", endpoint="jobs")
def runs() -> str:
    """The list of runs, newest first, perhaps of one state only."""
    state, cursor = request.args.get("state", ""), request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.jobs(session, [state] if state else [], cursor=cursor)
        newest = events.newest_id(session)
        shown = list_of_jobs(session, page)
    return render_template(
        whole_or_part("runs/page.html", "runs/_list.html"),
        jobs=[job.as_json() | {"summary": facts.summary(job.spec)} for job in shown.items],
        newest_event=newest,
        state=state,
        states=STATES,
        cursor=cursor,
        older=page.next,
    )
