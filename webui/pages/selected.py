"""What is asked of the runs that are chosen in the list: cancelled, tried again, tagged, restored.

Each answer says what became of every run. It is shown above the list from which the runs came.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, render_template, request

from core import queries
from core.errors import InvalidInput
from core.languages import ngettext
from core.messages import message
from core.spec import facts
from core.states import FINAL
from webui import actions
from webui.api.shapes import JSON, JobShape
from webui.context import current
from webui.pages.blueprint import blueprint
from webui.pages.outcome import list_before, to_list


@blueprint.get("/jobs/selected/cancel")
def ask_to_cancel_selected() -> str:
    """The question whether the chosen runs are to be cancelled."""
    shown = _shown()
    return render_template(
        "runs/cancel.html",
        jobs=shown,
        count=sum(job["state"] not in FINAL for job in shown),
        back=list_before(),
    )


@blueprint.post("/jobs/selected/cancel")
def cancel_selected() -> Response:
    """Ask that the chosen runs be cancelled."""
    many = actions.cancel_many(current(), {"ids": _ids()})
    at_once = len(many.done) - len(many.pending)
    done = [ngettext("%(num)s run cancelled.", "%(num)s runs cancelled.", at_once)]
    if many.pending:
        pending = ngettext(
            "%(num)s run is asked to stop.", "%(num)s runs are asked to stop.", len(many.pending)
        )
        done = [*(done if at_once else []), pending]
    return to_list(many, done)


@blueprint.post("/jobs/selected/retry")
def retry_selected() -> Response:
    """Give those of the chosen runs another try that have failed."""
    many = actions.retry_many(current(), {"ids": _ids()})
    count = len(many.done)
    return to_list(
        many, [ngettext("%(num)s run queued again.", "%(num)s runs queued again.", count)]
    )


@blueprint.get("/jobs/selected/tags")
def ask_for_tags() -> str:
    """What the chosen runs are to be tagged with."""
    shown = _shown()
    known = dict.fromkeys(tag for job in shown for tag in job["tags"])
    return render_template("runs/tags.html", jobs=shown, known=list(known), back=list_before())


@blueprint.post("/jobs/selected/tags")
def tag_selected() -> Response:
    """Give the chosen runs some tags, or take these away."""
    tags = request.form.get("tags", "").split(",")
    how = "remove" if request.form.get("how") == "remove" else "add"
    many = actions.tag_many(current(), {"ids": _ids(), how: tags})
    count = len(many.done)
    if how == "add":
        return to_list(many, [ngettext("%(num)s run tagged.", "%(num)s runs tagged.", count)])
    removed = ngettext("Tags of %(num)s run removed.", "Tags of %(num)s runs removed.", count)
    return to_list(many, [removed])


@blueprint.post("/jobs/selected/restore")
def restore_selected() -> Response:
    """Undo the delete of the chosen runs, or of the only one that the address names."""
    ids = _ids(request.args.getlist("only")) if "only" in request.args else _ids()
    many = actions.restore_many(current(), {"ids": ids})
    count = len(many.done)
    return to_list(many, [ngettext("%(num)s run restored.", "%(num)s runs restored.", count)])


def _ids(texts: Sequence[str] | None = None) -> list[int]:
    """The runs that were chosen: their numbers among some texts, else among those of the form."""
    texts = request.values.getlist("run") if texts is None else texts
    ids = [int(each) for each in texts if each.isascii() and each.isdigit() and len(each) < 19]
    if not ids:
        raise InvalidInput.one("run", message("input.no_run_chosen"))
    return ids


def _shown() -> list[JSON]:
    """The chosen runs that are there, as the API shows them; none where none was chosen."""
    if "run" not in request.args:
        return []
    parts = current()
    with parts.database.reading() as session:
        found = queries.jobs_by_id(session, _ids()[: actions.MOST_AT_ONCE], parts.seen_by)
    return [
        JobShape.of(job, None).as_json() | {"summary": facts.summary(job.spec)}
        for job in sorted(found, key=lambda job: job.id, reverse=True)
    ]
