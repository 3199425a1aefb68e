"""The pages: the list of runs, one run, the form of a new one, the workers.

Each page is whole without JavaScript. A page that is kept fresh asks for a part of itself
(`?part=…`), which is rendered by the same template as the whole.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from core import queries
from core.database.models import Job, Worker
from core.errors import InvalidInput
from core.jobs import snapshots, status
from core.spec.presets import PRESETS
from core.states import FINAL, STATES
from webui import evaluations, formats, forms, live, measurements, networks, schemas, submission
from webui.context import current

blueprint = Blueprint("pages", __name__)

FIRST_PRESET = next(iter(PRESETS))
MOST_ROWS = 10_000
"""Rows of one kind in a page of a run; the stream brings what is beyond."""

for _filter in (
    formats.loss,
    formats.percent,
    formats.whole,
    formats.short,
    formats.rough,
    formats.duration,
    formats.ago,
    formats.heard,
    formats.place,
    formats.sentence,
    formats.size,
    formats.visible,
    formats.moment,
    formats.clock,
    formats.seconds_since,
    formats.seconds_between,
    forms.inside,
):
    blueprint.add_app_template_filter(_filter)


@blueprint.app_context_processor
def _common() -> dict[str, Any]:
    """What every page needs: the remembered theme, and our clock for the page's own."""
    theme = request.cookies.get("theme")
    return {
        "theme": theme if theme in ("light", "dark") else None,
        "server_time": schemas.moment(datetime.now(UTC)),
        "nothing": formats.NOTHING,
        "final_states": FINAL,
    }


@blueprint.get("/")
def jobs() -> str:
    """The list of runs, newest first, perhaps of one state only."""
    state, cursor = request.args.get("state", ""), request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.jobs(session, [state] if state else [], cursor=cursor)
        waits = status.explain(session, [row for row, _ in page.items])
        shown = [schemas.job(row, worker, waits.get(row.id)) for row, worker in page.items]
    return render_template(
        _whole_or_part("jobs.html", "_jobs.html"),
        jobs=shown,
        waits=waits,
        state=state,
        states=STATES,
        cursor=cursor,
        older=page.next,
    )


@blueprint.get("/jobs/new")
def new() -> str:
    """The form of a new run, filled from a preset or from an old run."""
    return _form_page(_starting_form())


def _starting_form() -> forms.Form:
    old = request.args.get("from", "")
    if not old:
        return forms.from_preset(request.args.get("preset") or FIRST_PRESET)
    if not (old.isascii() and old.isdigit() and len(old) < 19):  # a key's digits
        raise InvalidInput.one("from", "name a run by its number")
    with current().database.reading() as session:
        job, _ = queries.job(session, int(old))
        return forms.from_run(job.name, job.spec, job.priority, job.queue)


@blueprint.post("/jobs")
def submit() -> Response | tuple[str, int]:
    """Queue what the form asks for, or show the form again with what is wrong."""
    try:
        job = submission.submit(current(), forms.submission(request.form))
    except InvalidInput as error:
        return _form_page(forms.refused(request.form, error.errors)), 422
    return _to_run(job.id)


@blueprint.post("/jobs/new")
def show_typed() -> str:
    """The form as it is typed so far, or only what its network looks like. Nothing is queued."""
    form = forms.as_typed(request.form)
    if request.args.get("part") == "network":
        return render_template("_network.html", **_network(form))
    return _form_page(form)


def _form_page(form: forms.Form) -> str:
    return render_template(
        "new.html",
        form=form,
        presets=PRESETS.values(),
        preset_texts=forms.preset_texts(),
        network_parts=networks.PARTS,
        **_network(form),
    )


def _network(form: forms.Form) -> dict[str, Any]:
    """The summary of the network that a form describes, or what is wrong with it."""
    try:
        return {"network": networks.summarize(forms.network_of(form))}
    except InvalidInput as error:
        return {"network": None, "network_mistakes": forms.placed(form, error.errors)}


@blueprint.get("/jobs/<int:job_id>")
def job(job_id: int) -> str:
    """The page of one run, or only the parts of it that change with its state."""
    with current().database.reading() as session:
        row, worker = queries.job(session, job_id)
        waits = status.explain(session, [row]).get(row.id)
        points = snapshots.newest_first(session, row.id)
        shown = schemas.job(row, worker, waits, points[0] if points else None)
        facts = {"job": shown, "waits": waits, "validated": _validated(row), **_facts(session, row)}
        if "part" in request.args:
            return render_template("_job_parts.html", **facts)
        return render_template("job.html", **facts, **_records(session, row, shown))


@blueprint.get("/jobs/<int:job_id>/evaluation")
def evaluation(job_id: int) -> str:
    """What a run's published weights do on the test set; its own page fetches the part."""
    with current().database.reading() as session:
        row, _ = queries.job(session, job_id)
        judged = evaluations.shown(queries.evaluation(session, job_id).content)
        return render_template(
            _whole_or_part("evaluation.html", "_evaluation.html"), job=row, evaluation=judged
        )


def _facts(session: Session, row: Job) -> dict[str, Any]:
    """What a page of a run shows besides the run itself, its curves, its epochs and its log."""
    attempts = queries.attempts(session, row.id, queries.LARGEST_LIMIT)
    files = queries.artifacts(session, row.id, queries.LARGEST_LIMIT)
    return {
        "attempts": [schemas.attempt(attempt) for attempt in attempts.items],
        "files": [schemas.checkpoint(file) for file in files.items],
        "has_evaluation": row.state in FINAL and queries.evaluated_attempt(session, row.id) > 0,
        "took_s": formats.seconds_between(row.started_at, row.finished_at)
        if row.started_at and row.finished_at
        else None,
    }


def _validated(row: Job) -> bool:
    """Whether a run keeps a validation split apart; the spec of an old run knows of none."""
    return bool(row.spec.get("data", {}).get("validation"))


def _records(session: Session, row: Job, shown: schemas.JSON) -> dict[str, Any]:
    """What a run has reported so far, and the place in the stream from which it goes on."""
    epochs, all_epochs = _rows(session, row.id, queries.epochs)
    points, all_points = _rows(session, row.id, queries.metrics)
    lines, all_lines = _rows(session, row.id, queries.logs)
    files, all_files = _rows(session, row.id, queries.artifacts)
    whole = all_epochs and all_points and all_lines and all_files
    position = live.Position(
        revision=row.revision if whole else 0,
        resets=row.resets,
        epoch=epochs[-1].epoch if epochs else 0,
        step=points[-1].step if points else 0,
        log_attempt=lines[-1].attempt if lines else 0,
        log_line=lines[-1].number if lines else 0,
        checkpoint=files[-1].id if files else 0,
        evaluated=queries.evaluated_attempt(session, row.id),
    )
    shown_epochs = [schemas.epoch(epoch) for epoch in epochs]
    groups, rest = forms.described(row.spec)
    columns = measurements.columns(validated=_validated(row))
    return {
        "epochs": shown_epochs,
        "columns": columns,
        "lines": [schemas.log_line(each) for each in lines],
        "groups": groups,
        "rest": rest,
        "data": {
            "job": shown,
            "epochs": shown_epochs,
            "columns": [[column.key, column.format] for column in columns],
            "points": [{"step": point.step, "train_loss": point.train_loss} for point in points],
            "position": str(position),
            "over": row.state in FINAL and whole,
        },
    }


def _rows(session: Session, job_id: int, query: Any) -> tuple[list[Any], bool]:
    """The rows of a job up to a limit, and whether these are all."""
    rows: list[Any] = []
    cursor: str | None = ""
    while cursor is not None and len(rows) < MOST_ROWS:
        page = query(session, job_id, queries.LARGEST_LIMIT, cursor)
        rows += page.items
        cursor = page.next
    return rows, cursor is None


@blueprint.post("/jobs/<int:job_id>/cancel")
def cancel(job_id: int) -> Response:
    """Ask that a run be cancelled."""
    submission.cancel(current(), job_id)
    return _to_run(job_id)


@blueprint.post("/jobs/<int:job_id>/pause")
def pause(job_id: int) -> Response:
    """Ask that a run be paused."""
    submission.pause(current(), job_id)
    return _to_run(job_id)


@blueprint.post("/jobs/<int:job_id>/resume")
def resume(job_id: int) -> Response:
    """Let a paused run go on."""
    submission.resume(current(), job_id)
    return _to_run(job_id)


@blueprint.post("/jobs/<int:job_id>/retry")
def retry(job_id: int) -> Response:
    """Give a failed run another try."""
    from_scratch = request.form.get("from_scratch") == "true"
    submission.retry(current(), job_id, {"from_scratch": from_scratch})
    return _to_run(job_id)


@blueprint.get("/workers")
def workers() -> str:
    """The workers: those that are there first, then those that were."""
    cursor = request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.workers(session, cursor=cursor)
        shown = [
            schemas.worker(row) | {"presence": _presence(row[0], is_live=row[2])}
            for row in page.items
        ]
    return render_template(
        _whole_or_part("workers.html", "_workers.html"),
        workers=shown,
        cursor=cursor,
        older=page.next,
    )


def _presence(worker: Worker, *, is_live: bool) -> str:
    if worker.stopped_at is not None:
        return "stopped"
    return "live" if is_live else "silent"


def _whole_or_part(whole: str, part: str) -> str:
    return part if "part" in request.args else whole


def _to_run(job_id: int) -> Response:
    response = redirect(url_for("pages.job", job_id=job_id), 303)
    assert isinstance(response, Response)
    return response
