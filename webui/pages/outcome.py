"""What became of the runs that something was asked of: it is said above the list they came from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from flask import Response, flash, get_flashed_messages, redirect, request, url_for

from core.errors import Forbidden
from core.languages import gettext, ngettext
from webui.actions import Many
from webui.addresses import came_from

MOST_REASONS = 10
"""Refusals that are told one by one; a cookie carries them to the list."""
LONGEST_UNDO = 4000
"""Characters that name the runs whose delete one button undoes, or that are still chosen: they
travel in that cookie too, where they are compressed."""


def list_before() -> str:
    """The list that the runs were chosen in: its address behind the question mark."""
    if "back" in request.form:
        return request.form["back"] if request.form["back"].isprintable() else ""
    before = came_from()
    return before.query if before.path == url_for("pages.jobs") else ""


def to_list(
    many: Many, done: list[str], *, can_be_undone: bool = False, chosen: Sequence[int] = ()
) -> Response:
    """Go back to the list, and say there what became of each run.

    Args:
        many: what became of each.
        done: what is said of those with which it went well.
        can_be_undone: whether a button undoes it.
        chosen: the runs that are still chosen there.
    """
    if many.done:
        flash(" ".join(done), "done")
    if can_be_undone and many.done:
        _offer_undo(many)
    if chosen and len(steps := _steps(chosen)) <= LONGEST_UNDO:
        flash(steps, "chosen")
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
    steps = _steps(many.done)
    if len(steps) <= LONGEST_UNDO:
        flash(steps, "undo")
    else:
        flash(gettext("The list of deleted runs can restore them."), "done")


def _steps(ids: Sequence[int]) -> str:
    """The numbers of runs in few characters: each as how far it is from the one before."""
    ordered = sorted(ids)
    return ",".join(
        str(each - before) for before, each in zip([0, *ordered], ordered, strict=False)
    )


def still_chosen() -> frozenset[int]:
    """The numbers of the runs that were chosen before something was asked of them."""
    found = get_flashed_messages(category_filter=["chosen"])
    return frozenset(each for steps in found for each in undone(str(steps)))


def undone(steps: str) -> list[int]:
    """The numbers of the runs whose delete can be undone, as the cookie has them."""
    return list(accumulate(map(int, steps.split(","))))
