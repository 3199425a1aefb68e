"""Saving a view of the list under a name, and forgetting it: buttons of the list."""

from __future__ import annotations

from flask import Response, flash, redirect, request, url_for

from core.languages import gettext
from webui import actions
from webui.api.requests import query_to_save
from webui.context import current
from webui.pages.blueprint import blueprint


@blueprint.post("/filters")
def save_filter() -> Response:
    """Keep what stands in the address under a name, and show it."""
    query = query_to_save(request.form.get("query", ""))
    kept = actions.save_filter(current(), {"name": request.form.get("name", ""), "query": query})
    flash(
        gettext("The filter %(name)s is saved: it stands above the list.", name=kept.name), "done"
    )
    return _to_list(f"?{kept.query}" if kept.query else "")


@blueprint.post("/filters/<int:filter_id>/remove")
def remove_filter(filter_id: int) -> Response:
    """Forget a saved filter; the list stays as it chose it."""
    kept = actions.remove_filter(current(), filter_id)
    return _to_list(f"?{kept.query}" if kept.query else "")


def _to_list(query: str) -> Response:
    response = redirect(url_for("pages.jobs") + query, 303)
    assert isinstance(response, Response)
    return response
