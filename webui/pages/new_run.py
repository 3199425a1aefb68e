"""The form of a new run."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast

from flask import Response, redirect, render_template, request
from flask_wtf.csrf import CSRFError

from core import previews, queries
from core.database.models import Job
from core.errors import InvalidInput, Unavailable
from core.jobs import lifecycle
from core.languages.texts import unfilled
from core.messages import message
from core.spec import presets
from core.spec.presets import PRESETS
from webui import actions
from webui.context import current
from webui.forms import cloning, consequences, describing, reading
from webui.forms.consequences import Consequences
from webui.forms.form import Form, Source
from webui.pages.blueprint import blueprint, to_run, to_runs_of
from webui.problems import as_unavailable, refused

FIRST_PRESET = next(iter(PRESETS))
FIELDS_COOKIE = "fields"
"""Remembers whether somebody wants to see all of them: `js/new_run/form.js` sets it."""


@blueprint.get("/jobs/new")
def new() -> str:
    """The form of a new run, filled from a preset or from an old run, and with changes to it."""
    start = _filled(request.args.get("from", ""), request.args.get("preset", ""))
    form = cloning.with_changes(start, request.args)
    return _form_page(form if form == start else consequences.checked(current(), form))


def _filled(old: str, preset: str) -> Form:
    """The form as it begins; from an old run, a preset may have been laid over that."""
    if not old:
        return reading.from_preset(preset or FIRST_PRESET)
    job, weights_from = _job(old)
    form = reading.from_run(job, weights_from)
    return reading.with_preset(form, preset) if preset else form


def _job(number: str) -> tuple[Job, int | None]:
    """An old run, and the run with whose weights it began, where it did."""
    if not (number.isascii() and number.isdigit() and len(number) < 19):  # a key's digits
        raise InvalidInput.one("from", message("input.run_number"))
    parts = current()
    with parts.database.reading() as session:
        if parts.seen_by is not None:
            queries.refuse_unseen(session, int(number), parts.seen_by)
        job, _ = queries.job(session, int(number))
        source = queries.weights_source(session, job.id, parts.seen_by)
        return job, source.id if source else None


def _with_source(form: Form) -> Form:
    """A form that was posted, with the old run that it was filled from."""
    old = request.form.get("from", "")
    if not old:
        return form
    try:
        source = reading.source(_job(old)[0])
    except Unavailable:  # what differs from that run cannot be told then; all else can
        source = Source(int(old), f"run {old}", {})
    return replace(form, source=source)


@blueprint.post("/jobs")
def submit() -> Response | tuple[str, int]:
    """Queue what the form asks for, or show the form again as it was typed, with what is wrong.

    The form that is sent again leads to the run of the first time: a double click, and a submit
    whose answer was lost. Runs for several seeds are shown as a list.
    """
    typed = request.form
    try:
        asked = reading.submission(typed) | _parent(typed)
        jobs = actions.submit(current(), asked, reading.submission_key(typed))
    except InvalidInput as error:
        return _form_page(_with_source(reading.refused(typed, error.errors))), 422
    except Unavailable as error:
        page = _form_page(_with_source(reading.refused(typed, (), str(error))))
        return as_unavailable(error, Response(page))
    return to_run(jobs[0].id) if len(jobs) == 1 else to_runs_of(lifecycle.tag_of_seeds(jobs[0]))


def _parent(typed: Any) -> dict[str, Any]:
    """The run that the form was filled from, where it was one."""
    number = typed.get("from", "")
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    return {"cloned_from": int(number)} if is_number and int(number) else {}


@blueprint.errorhandler(CSRFError)
def show_expired(_error: CSRFError) -> Response | tuple[str, int]:
    """Show a form again whose token is none: with a new one, and with what was typed."""
    if request.endpoint != "pages.submit":
        return refused(HTTPStatus.BAD_REQUEST, message("request.page_expired"))
    form = reading.refused(request.form, (), message("request.form_expired").text)
    return _form_page(_with_source(form)), HTTPStatus.BAD_REQUEST


@blueprint.post("/jobs/new")
def show_typed() -> str | Response:
    """The form as it is typed so far, or only what follows from that. Nothing is queued.

    A button may ask for another preset, which keeps what was changed, or for one input to have
    again what it was filled with. What is typed stands in the address then: a reload keeps it, and
    so does the choice of a language.
    """
    form = _with_source(reading.as_typed(request.form))
    if "choose" in request.form:
        form = reading.with_preset(form, request.form["choose"])
    if "back" in request.form:
        form = reading.with_first_value(form, request.form["back"])
    address = None if "part" in request.args else _address_of(form)
    if address:
        return cast("Response", redirect(address, 303))
    form = consequences.checked(current(), form)
    if "part" in request.args:
        return render_template("new_run/_typed.html", form=form, consequences=_consequences(form))
    return _form_page(form)


def _address_of(form: Form) -> str | None:
    """Where a form stands as it is typed; None where no address can say so."""
    if not form.preset and not form.source:
        return None
    try:
        start = _filled(str(form.source.job_id) if form.source else "", form.preset)
    except Unavailable:  # of the old run
        return None
    return cloning.address_of(form, start)


def _consequences(form: Form) -> Consequences:
    return consequences.of(current(), form, request.host_url.rstrip("/"))


def _form_page(form: Form) -> str:
    return render_template(
        "new_run/page.html",
        form=form,
        presets=presets.shown(),
        experience=consequences.experience_of_presets(current()),
        fillings=describing.preset_texts() | ({"": form.source.values} if form.source else {}),
        preview_parts=previews.PARTS,
        consequences=_consequences(form),
        shows_all=request.cookies.get(FIELDS_COOKIE) == "all" or form.has_more,
        unfilled=unfilled,
    )
