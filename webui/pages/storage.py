"""What takes how much space."""

from __future__ import annotations

from flask import render_template

from webui.api.retention import storage_of
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part

TITLES = {
    "snapshots": "Snapshots",
    "artifacts": "Artifacts",
    "derived": "Files computed for pages",
    "unnamed": "Files that no run names",
    "logs": "Logs",
    "metrics": "Metric samples",
    "evaluations": "Evaluations",
    "history": "History",
    "previews": "Previews",
    "database": "The whole database",
    "datasets": "Datasets",
    "scratch": "Scratch folders",
}
"""Each kind in words."""


@blueprint.get("/storage")
def storage() -> str:
    """What takes how much space, by kind and by the largest runs."""
    context = current()
    shown = storage_of(context.database, context.settings).as_json()
    return render_template(
        whole_or_part("storage/page.html", "storage/_tables.html"), titles=TITLES, **shown
    )
