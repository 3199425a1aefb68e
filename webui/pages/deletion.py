"""Deleting runs: a question before it, for one run or for several that are chosen, and the undo."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from flask import Response, render_template, request, url_for

from core import queries
from core.jobs.actors import may_on, refuse_unless_allowed
from core.languages import ngettext
from core.spec import facts
from webui import actions
from webui.api.requests import selection
from webui.api.shapes import JSON, JobShape, list_of_jobs
from webui.context import current
from webui.pages.blueprint import CHOICES, blueprint, to_run
from webui.pages.choice import MATCHING, Choice, choice, some
from webui.pages.outcome import list_before, to_list


@blueprint.get("/jobs/<int:job_id>/delete", endpoint="ask_to_delete")
def ask(job_id: int) -> str:
    """The question whether a run is to be deleted."""
    with current().database.reading() as session:
        row, worker = queries.job(session, job_id)
        refuse_unless_allowed(current().actor, "delete", row)
        return _question([JobShape.of(row, worker)], is_chosen=True, address=None)


@blueprint.post("/jobs/<int:job_id>/delete")
def delete(job_id: int) -> Response:
    """Delete a run; its page says so, and offers to undo it."""
    actions.delete(current(), job_id)
    return to_run(job_id)


@blueprint.post("/jobs/<int:job_id>/restore")
def restore(job_id: int) -> Response:
    """Undo a delete."""
    actions.restore(current(), job_id)
    return to_run(job_id)


@blueprint.get("/jobs/delete", endpoint="choose_to_delete")
def choose() -> str:
    """The runs that the address names, or a page of the list to choose from."""
    if "run" in request.args or MATCHING in request.args:
        asked = choice("delete")
        shown: Sequence[JobShape] = [JobShape.of(job, None) for job in asked.jobs]
        return _question(shown, is_chosen=False, address=None, asked=asked)
    cursor = request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.jobs(session, selection(), cursor=cursor)
        shown = list_of_jobs(session, page).items
    own = [each for each in shown if may_on(current().actor, "delete", each.owner)]
    older = page.next and url_for("pages.choose_to_delete", cursor=page.next, **_chosen())
    left = Choice([], len(shown) - len(own))
    return _question(own, is_chosen=False, address=older, asked=left)


def _chosen() -> JSON:
    """What chooses runs in the address of the request."""
    return {name: value for name in CHOICES if (value := request.args.get(name, ""))}


@blueprint.post("/jobs/delete")
def delete_many() -> Response:
    """Delete the runs that were chosen; the list says so, offers the undo, and names the others."""
    many = actions.delete_many(current(), {"ids": some("id")})
    count = len(many.done)
    done = [ngettext("%(num)s run deleted.", "%(num)s runs deleted.", count)]
    return to_list(many, done, can_be_undone=current().settings.undo_hours > 0)


def _question(
    shown: Sequence[JobShape],
    *,
    is_chosen: bool,
    address: str | None,
    asked: Choice | None = None,
) -> str:
    """The page that asks; a run that is running cannot be chosen."""
    jobs: list[JSON] = [
        job.as_json() | {"summary": facts.summary(job.spec), "is_running": job.state == "running"}
        for job in shown
    ]
    return render_template(
        "deletion/page.html",
        jobs=jobs,
        is_chosen=is_chosen,
        is_each=bool(asked and asked.jobs),
        asked=asked or Choice([]),
        deletable=sum(not job["is_running"] for job in jobs),
        older=address,
        back=list_before() or urlencode(_chosen()),
        undo_s=current().settings.undo_hours * 3600.0,
    )
