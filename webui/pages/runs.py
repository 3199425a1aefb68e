"""The list of runs."""

from __future__ import annotations

from flask import render_template, request

from core import queries
from core.database.instance import instance_of
from core.database.models import MEASURED
from core.datasets.builtin import DATASETS
from core.jobs import events
from core.spec import facts
from core.spec.presets import PRESETS
from core.states import STATES
from webui.api.requests import selection
from webui.api.shapes import list_of_jobs
from webui.context import current
from webui.pages.blueprint import CHOICES, blueprint, whole_or_part


@blueprint.get("/jobs/", endpoint="jobs")
@blueprint.get("/jobs", endpoint="jobs")  # where a refused form was sent
@blueprint.get("/", endpoint="jobs")
def runs() -> str:
    """The list of runs: newest first, or as the address says."""
    cursor = request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.jobs(session, selection(), cursor=cursor)
        newest = events.newest_id(session)
        instance = instance_of(session)
        shown = list_of_jobs(session, page)
    return render_template(
        whole_or_part("runs/page.html", "runs/_list.html"),
        jobs=[job.as_json() | {"summary": facts.summary(job.spec)} for job in shown.items],
        newest_event=newest,
        instance=instance,
        chosen={name: value for name in CHOICES if (value := request.args.get(name, ""))},
        states=STATES,
        choices={"dataset": list(DATASETS), "model": facts.MODELS, "preset": list(PRESETS)},
        measured=MEASURED,
        cursor=cursor,
        older=page.next,
    )
