"""The page of one run."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request
from sqlalchemy.orm import Session

from core import queries
from core.database.models import Job
from core.spec import facts
from core.states import FINAL
from webui import actions
from webui.api.shapes import JSON, ArtifactShape, AttemptShape, Epoch, LogLine, whole_job
from webui.context import current
from webui.filters import seconds_between
from webui.forms.describing import described
from webui.live.position import Position
from webui.pages.blueprint import blueprint, to_run
from webui.pages.columns import columns as columns_of
from webui.pages.timeline import MOST_EVENTS, timeline

MOST_ROWS = 10_000
"""Rows of one kind in a page of a run; the stream brings what is beyond."""


@blueprint.get("/jobs/<int:job_id>")
def job(job_id: int) -> str:
    """The page of one run, or only the parts of it that change with its state."""
    # repeatable: the position is that of everybody who has seen this revision
    with current().database.reading(repeatable=True) as session:
        row, worker = queries.job(session, job_id)
        shown = whole_job(session, row, worker).as_json()
        given = {"job": shown, "validated": facts.has_validation(row.spec), **_facts(session, row)}
        if "part" in request.args:
            return render_template("run/_all_parts.html", **given)
        records = _records(session, row, shown, given["newest_event"])
        return render_template("run/page.html", **given, **records)


def _facts(session: Session, row: Job) -> dict[str, Any]:
    """What a page of a run shows besides the run itself, its curves, its epochs and its log."""
    attempts = queries.attempts(session, row.id, queries.LARGEST_LIMIT)
    milestones = queries.milestones(session, row.id, MOST_EVENTS)
    files = queries.artifacts(session, row.id, queries.LARGEST_LIMIT)
    return {
        "chapters": timeline(
            milestones, [AttemptShape.of(each).as_json() for each in attempts.items]
        ),
        "newest_event": milestones[-1][0].id if milestones else 0,
        "files": [ArtifactShape.model_validate(file).as_json() for file in files.items],
        "has_evaluation": row.state in FINAL and queries.evaluated_attempt(session, row.id) > 0,
        "took_s": seconds_between(row.started_at, row.finished_at)
        if row.started_at and row.finished_at
        else None,
    }


def _records(session: Session, row: Job, shown: JSON, newest_event: int) -> dict[str, Any]:
    """What a run has reported so far, and the place in the stream from which it continues."""
    epochs, all_epochs = _rows(session, row.id, queries.epochs)
    metrics, all_metrics = _rows(session, row.id, queries.metrics)
    lines, all_lines = _rows(session, row.id, queries.logs)
    files, all_files = _rows(session, row.id, queries.artifacts)
    whole = all_epochs and all_metrics and all_lines and all_files
    position = Position(
        revision=row.revision if whole else 0,
        resets=row.resets,
        epoch=epochs[-1].epoch if epochs else 0,
        step=metrics[-1].step if metrics else 0,
        log_attempt=lines[-1].attempt if lines else 0,
        log_line=lines[-1].number if lines else 0,
        artifact=files[-1].id if files else 0,
        evaluated=queries.evaluated_attempt(session, row.id),
        event=newest_event,
    )
    shown_epochs = [Epoch.model_validate(epoch).as_json() for epoch in epochs]
    groups, rest = described(row.spec)
    columns = columns_of(validated=facts.has_validation(row.spec))
    return {
        "epochs": shown_epochs,
        "columns": columns,
        "lines": [LogLine.model_validate(each).as_json() for each in lines],
        "groups": groups,
        "rest": rest,
        "rest_count": sum(len(rows) for _, rows in rest),
        "data": {
            "job": shown,
            "epochs": shown_epochs,
            "columns": [[column.key, column.format] for column in columns],
            "metrics": [{"step": each.step, "train_loss": each.train_loss} for each in metrics],
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
    actions.cancel(current(), job_id)
    return to_run(job_id)


@blueprint.post("/jobs/<int:job_id>/pause")
def pause(job_id: int) -> Response:
    """Ask that a run be paused."""
    actions.pause(current(), job_id)
    return to_run(job_id)


@blueprint.post("/jobs/<int:job_id>/resume")
def resume(job_id: int) -> Response:
    """Let a paused run resume."""
    actions.resume(current(), job_id)
    return to_run(job_id)


@blueprint.post("/jobs/<int:job_id>/retry")
def retry(job_id: int) -> Response:
    """Give a failed run another try."""
    from_scratch = request.form.get("from_scratch") == "true"
    actions.retry(current(), job_id, {"from_scratch": from_scratch})
    return to_run(job_id)
