"""What takes how much space."""

from __future__ import annotations

from flask import render_template

from core.languages import gettext_noop
from webui.api.retention import storage_of
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part

TITLES = {
    "snapshots": gettext_noop("Snapshots"),
    "artifacts": gettext_noop("Artifacts"),
    "unnamed": gettext_noop("Files that no run names"),
    "logs": gettext_noop("Logs"),
    "metrics": gettext_noop("Metric samples"),
    "evaluations": gettext_noop("Evaluations"),
    "history": gettext_noop("History"),
    "previews": gettext_noop("Previews"),
    "database": gettext_noop("The whole database"),
    "datasets": gettext_noop("Datasets"),
    "scratch": gettext_noop("Scratch folders"),
}
"""Each kind in words; the page translates them."""


@blueprint.get("/storage")
def storage() -> str:
    """What takes how much space, by kind and by the largest runs."""
    context = current()
    shown = storage_of(context.database, context.settings).as_json()
    return render_template(
        whole_or_part("storage/page.html", "storage/_tables.html"), titles=TITLES, **shown
    )
