"""What became of the runs that something was asked of: it is said above the list they came from."""

from __future__ import annotations

from flask import Response, flash, redirect, request, url_for

from core.errors import Forbidden
from core.languages import gettext, ngettext
from webui.actions import Many
from webui.addresses import came_from

MOST_REASONS = 10
"""Refusals that are told one by one; a cookie carries them to the list."""
MOST_UNDONE = 200
"""Runs whose delete is undone by one button: their numbers travel in that cookie too."""


def list_before() -> str:
    """The list that the runs were chosen in: its address behind the question mark."""
    if "back" in request.form:
        return request.form["back"] if request.form["back"].isprintable() else ""
    before = came_from()
    return before.query if before.path == url_for("pages.jobs") else ""


def to_list(many: Many, done: list[str], *, can_be_undone: bool = False) -> Response:
    """Go back to the list, and say there what became of each run."""
    if many.done:
        flash(" ".join(done), "done")
    if can_be_undone and many.done:
        _offer_undo(many)
    refused = [error for _, error in many.refused if not isinstance(error, Forbidden)]
    if others := len(many.refused) - len(refused):
        flash(
            ngettext(
                "%(num)s run is somebody else's, and stays as it is.",
                "%(num)s runs are somebody else's, and stay as they are.",
                others,
            ),
            "refused",
        )
    for error in refused[:MOST_REASONS]:
        flash(str(error), "refused")
    if (left := len(refused) - MOST_REASONS) > 0:
        more = ngettext(
            "Nothing was done with %(num)s more run, for such reasons.",
            "Nothing was done with %(num)s more runs, for such reasons.",
            left,
        )
        flash(more, "refused")
    back = list_before()
    response = redirect(url_for("pages.jobs") + (f"?{back}" if back else ""), 303)
    assert isinstance(response, Response)
    return response


def _offer_undo(many: Many) -> None:
    if len(many.done) <= MOST_UNDONE:
        flash(",".join(map(str, many.done)), "undo")
    else:
        flash(gettext("The list of deleted runs can restore them."), "done")
