"""What takes how much space."""

from __future__ import annotations

from collections.abc import Sequence

from flask import render_template

from core import queries
from core.languages import gettext
from webui.api.retention import storage_of
from webui.context import current
from webui.filters import run_name
from webui.pages.blueprint import blueprint, whole_or_part


@blueprint.get("/storage")
def storage() -> str:
    """What takes how much space, by kind and by the largest runs."""
    shown = storage_of(current()).as_json()
    return render_template(
        whole_or_part("storage/page.html", "storage/_tables.html"),
        titles=_titles(),
        names=_names([run["id"] for run in shown["largest"]]),
        **shown,
    )


def _names(job_ids: Sequence[int]) -> dict[int, str]:
    """What runs are called that are there still."""
    with current().database.reading() as session:
        return {job.id: run_name(job) for job in queries.jobs_by_id(session, job_ids)}


def _titles() -> dict[str, str]:
    """Each kind in words."""
    return {
        "snapshots": gettext("Snapshots"),
        "artifacts": gettext("Artifacts"),
        "derived": gettext("Files computed for pages"),
        "unnamed": gettext("Files that no run names"),
        "logs": gettext("Logs"),
        "metrics": gettext("Metric samples"),
        "evaluations": gettext("Evaluations"),
        "history": gettext("History"),
        "previews": gettext("Previews"),
        "database": gettext("The whole database"),
        "datasets": gettext("Datasets"),
        "scratch": gettext("Scratch folders"),
    }
