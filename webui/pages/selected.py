"""What is asked of the runs that are chosen in the list: cancelled, tried again, tagged, restored.

Each answer says what became of every run. It is shown above the list from which the runs came.
"""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request

from core.languages import gettext, ngettext
from core.spec import facts
from core.states import FINAL
from webui import actions
from webui.api.shapes import JSON, JobShape
from webui.context import current
from webui.pages.blueprint import blueprint
from webui.pages.choice import Choice, choice, some
from webui.pages.outcome import list_before, to_list


@blueprint.get("/jobs/selected/cancel")
def ask_to_cancel_selected() -> str:
    """The question whether the chosen runs are to be cancelled."""
    asked = choice("cancel")
    ending = [job for job in asked.jobs if job.state not in FINAL]
    return render_template(
        "runs/cancel.html",
        count=len(ending),
        have_begun=any(job.attempt for job in ending),
        are_running=any(job.state == "running" for job in ending),
        pausable=ending[0].id if len(ending) == 1 and ending[0].state != "paused" else None,
        **_shown(asked),
    )


@blueprint.post("/jobs/selected/cancel")
def cancel_selected() -> Response:
    """Ask that the chosen runs be cancelled."""
    ids = some("run")
    many = actions.cancel_many(current(), {"ids": ids})
    at_once = len(many.done) - len(many.pending)
    done = [ngettext("%(num)s run cancelled.", "%(num)s runs cancelled.", at_once)]
    if many.pending:
        pending = ngettext(
            "%(num)s run is asked to stop.", "%(num)s runs are asked to stop.", len(many.pending)
        )
        done = [*(done if at_once else []), pending]
    return to_list(many, done, chosen=ids)


@blueprint.get("/jobs/selected/retry")
def ask_to_retry_selected() -> str:
    """The question whether those of the runs that have failed are to be tried again."""
    asked = choice("retry")
    failed = [job for job in asked.jobs if job.state == "failed"]
    return render_template(
        "runs/again.html",
        action="retry",
        title=ngettext("Retry %(num)s failed run?", "Retry %(num)s failed runs?", len(failed))
        if failed
        else gettext("Retry failed runs"),
        button=gettext("Retry"),
        **_shown(Choice(failed, asked.others, asked.is_cut)),
    )


@blueprint.post("/jobs/selected/retry")
def retry_selected() -> Response:
    """Give those of the chosen runs another try that have failed."""
    ids = some("run")
    many = actions.retry_many(current(), {"ids": ids})
    again = ngettext("%(num)s run queued again.", "%(num)s runs queued again.", len(many.done))
    return to_list(many, [again], chosen=ids)


@blueprint.get("/jobs/selected/tags")
def ask_for_tags() -> str:
    """What the chosen runs are to be tagged with."""
    asked = choice("edit")
    known = dict.fromkeys(tag for job in asked.jobs for tag in job.tags)
    return render_template("runs/tags.html", known=list(known), **_shown(asked))


@blueprint.post("/jobs/selected/tags")
def tag_selected() -> Response:
    """Give the chosen runs some tags, or take these away."""
    tags = request.form.get("tags", "").split(",")
    how = "remove" if request.form.get("how") == "remove" else "add"
    ids = some("run")
    many = actions.tag_many(current(), {"ids": ids, how: tags})
    count = len(many.done)
    if how == "add":
        done = ngettext("%(num)s run tagged.", "%(num)s runs tagged.", count)
    else:
        done = ngettext("Tags of %(num)s run removed.", "Tags of %(num)s runs removed.", count)
    return to_list(many, [done], chosen=ids)


@blueprint.get("/jobs/selected/restore")
def ask_to_restore_selected() -> str:
    """The question whether the delete of the runs is to be undone."""
    asked = choice("restore")
    count = len(asked.jobs)
    return render_template(
        "runs/again.html",
        action="restore",
        title=ngettext("Restore %(num)s run?", "Restore %(num)s runs?", count)
        if count
        else gettext("Restore runs"),
        button=gettext("Restore"),
        **_shown(asked),
    )


@blueprint.post("/jobs/selected/restore")
def restore_selected() -> Response:
    """Undo the delete of the chosen runs, or of the only one that the address names."""
    ids = some("run", request.args.getlist("only") if "only" in request.args else None)
    many = actions.restore_many(current(), {"ids": ids})
    count = len(many.done)
    return to_list(many, [ngettext("%(num)s run restored.", "%(num)s runs restored.", count)])


def _shown(asked: Choice) -> dict[str, Any]:
    """What every question shows: the runs as the API does, and what is said of the others."""
    jobs: list[JSON] = [
        JobShape.of(job, None).as_json() | {"summary": facts.summary(job.spec)}
        for job in asked.jobs
    ]
    return {"jobs": jobs, "asked": asked, "back": list_before()}
