"""The page of one run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Response, render_template, request
from sqlalchemy.orm import Session

from core import queries
from core.database.engine import storable
from core.database.instance import instance_of
from core.database.models import Attempt, Job
from core.datasets.builtin import DATASETS
from core.errors import Conflict
from core.jobs.actors import refuse_unless_allowed
from core.messages import message
from core.protocol.reports import LEVELS
from core.queries import Curve, Page
from core.spec import facts
from core.states import FINAL
from webui import actions
from webui.api.artifacts import download_name
from webui.api.shapes import JSON, ArtifactShape, AttemptShape, Epoch, LogLine, timestamp, whole_job
from webui.context import current
from webui.filters import seconds_between
from webui.forms.describing import described
from webui.live.position import Position
from webui.pages.blueprint import blueprint, to_run
from webui.pages.columns import columns as columns_of
from webui.pages.drawn import rounded
from webui.pages.timeline import MOST_EVENTS, timeline

BUCKETS = 400
"""In a curve: about as many as it is wide in pixels."""
EPOCHS = 50
LINES = 200
"""Rows of the tables in a page."""
TRAIN_LOSS = "train_loss"
SECONDS = "seconds"
LONGEST_FIND = 500
CHILDREN = 20
"""As many clones of a run are listed, the newest first."""
ASKED = ("resumed", "retried")
"""Events by which somebody has queued a run again."""
FEW_EVENTS = 4
"""As many as the two clicks of a double click lie apart in a run's history."""


@blueprint.get("/jobs/<int:job_id>")
def job(job_id: int) -> str:
    """The page of one run, or only the parts of it that change with its state."""
    # repeatable: the position is that of everybody who has seen this revision
    with current().database.reading(repeatable=True) as session:
        row, worker = queries.job(session, job_id)
        shown = whole_job(session, row, worker, seen_by=current().seen_by).as_json()
        given = {
            "job": shown,
            "instance": instance_of(session),
            "dataset": DATASETS.get(row.dataset),
            "validated": facts.has_validation(row.spec),
            **_facts(session, row),
        }
        if "part" in request.args:
            return render_template("run/_all_parts.html", **given)
        records = _records(session, row, shown, given)
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
        "parent": queries.parent(session, row.id, current().seen_by),
        "weights_source": queries.weights_source(session, row.id, current().seen_by),
        "weights_users": queries.weights_users(session, row.id, CHILDREN, current().seen_by),
        "children": queries.children(session, row.id, CHILDREN, current().seen_by),
        "files": [
            ArtifactShape.model_validate(file).as_json() | {"saved_as": download_name(row, file)}
            for file in files.items
        ],
        "has_evaluation": row.state in FINAL and queries.evaluated_attempt(session, row.id) > 0,
        "is_retried": next(
            (event.kind == "retried" for event, _ in reversed(milestones) if event.kind in ASKED),
            False,
        ),
        "took_s": seconds_between(row.started_at, row.finished_at)
        if row.started_at and row.finished_at
        else None,
        **_work([attempt for attempt, _ in attempts.items]),
    }


def _work(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """How long the attempts took: a run that was paused or waited did nothing meanwhile."""
    seconds = [
        seconds_between(each.started_at, each.finished_at) for each in attempts if each.finished_at
    ]
    worked_s = sum(seconds)
    now = [each.started_at for each in attempts if each.finished_at is None]
    return {
        "worked_s": worked_s if seconds else None,
        "working_since": timestamp(now[-1] - timedelta(seconds=worked_s)) if now else None,
    }


def _records(session: Session, row: Job, shown: JSON, given: dict[str, Any]) -> dict[str, Any]:
    """What a run has reported so far, and the place in the stream from which it continues.

    The curves and the newest rows are all: what is older is asked for, by the script or a link.
    """
    validated = facts.has_validation(row.spec)
    samples = queries.metrics_curve(session, row.id, queries.Extent(BUCKETS), [TRAIN_LOSS])
    extent = queries.Extent(BUCKETS)
    measured = queries.epochs_curve(session, row.id, extent, [*_drawn(validated), SECONDS])
    epochs = _newest(session, row.id, queries.epochs, "epochs", EPOCHS)
    find, level = _looked_for()
    logs = partial(queries.logs, text=find, levels=level.split(",") if level else [])
    log = _newest(session, row.id, logs, "log", LINES)
    newest_line = next(iter(queries.logs(session, row.id, 1, newest_first=True).items), None)
    position = Position(
        instance=given["instance"],
        revision=row.revision,
        resets=row.resets,
        epoch=measured.at[-1] if measured.at else 0,
        step=samples.at[-1] if samples.at else 0,
        log_attempt=newest_line.attempt if newest_line else 0,
        log_line=newest_line.number if newest_line else 0,
        artifact=given["files"][-1]["id"] if given["files"] else 0,
        evaluated=queries.evaluated_attempt(session, row.id),
        event=given["newest_event"],
    )
    groups, rest = described(row.spec)
    columns = columns_of(validated=validated)
    return {
        "epochs": [Epoch.model_validate(epoch).as_json() for epoch in epochs.items],
        "earlier_epochs": epochs.next,
        "columns": columns,
        "lines": [LogLine.model_validate(each).as_json() for each in reversed(log.items)],
        "older_lines": log.next,
        "log_find": find,
        "log_level": level,
        "groups": groups,
        "rest": rest,
        "rest_count": sum(len(rows) for _, rows in rest),
        "data": {
            "job": shown,
            "columns": [[column.key, column.format] for column in columns],
            "metrics": _as_drawn(samples),
            "epochs": _with_seconds(measured),
            "best": queries.best_epoch(session, row.id),
            "position": str(position),
            "over": row.state in FINAL,
        },
    }


def _looked_for() -> tuple[str, str]:
    """Which lines of the log are asked for: by a text in them, and by their levels."""
    level = request.args.get("level", "")
    is_known = set(level.split(",")) <= set(LEVELS)
    return storable(request.args.get("find", "")[:LONGEST_FIND]), level if is_known else ""


def _with_seconds(curve: Curve) -> JSON:
    """The curve of the epochs, with the seconds of training that lie in each of its buckets."""
    drawn = _as_drawn(curve)
    del drawn["values"][SECONDS]
    means = curve.values[SECONDS]["mean"]
    drawn["seconds"] = [
        rounded(mean and mean * count) for mean, count in zip(means, curve.count, strict=True)
    ]
    return drawn


def _drawn(validated: bool) -> list[str]:
    """What of an epoch is in a curve."""
    measured = ("validation_loss", "validation_accuracy", "test_loss", "test_accuracy")
    return [name for name in measured if validated or not name.startswith("validation_")]


def _newest(session: Session, job_id: int, query: Any, name: str, limit: int) -> Page[Any]:
    """The newest rows of a job, or those before a cursor that the address names."""
    cursor = request.args.get(name, "")
    page: Page[Any] = query(session, job_id, limit, cursor, newest_first=True)
    return page


def _as_drawn(curve: Curve) -> JSON:
    """A curve as the script is given it: to the digits that can be seen.

    Where a bucket holds but one sample or epoch, its minimum and maximum are left out.
    """
    is_exact = all(count == 1 for count in curve.count)
    names = ("last",) if is_exact else ("last", "min", "max")
    return {
        "at": list(curve.at),
        "count": list(curve.count),
        "values": {
            value: {name: [rounded(each) for each in statistics[name]] for name in names}
            for value, statistics in curve.values.items()
        },
    }


@blueprint.get("/jobs/<int:job_id>/cancel")
def ask_to_cancel(job_id: int) -> str | Response:
    """Whether a run is to be cancelled, as a page; with a script it is a dialog of the run's."""
    with current().database.reading() as session:
        row, worker = queries.job(session, job_id)
        if row.state in FINAL:
            return to_run(job_id)
        refuse_unless_allowed(current().actor, "cancel", row)
        shown = whole_job(session, row, worker, seen_by=current().seen_by).as_json()
        return render_template("run/cancel.html", job=shown, instance=instance_of(session))


@blueprint.post("/jobs/<int:job_id>/cancel")
def cancel(job_id: int) -> Response:
    """Ask that a run be cancelled."""
    _refuse_other_button("cancel")
    actions.cancel(current(), job_id)
    return to_run(job_id)


@blueprint.post("/jobs/<int:job_id>/pause")
def pause(job_id: int) -> Response:
    """Ask that a run be paused."""
    _refuse_other_button("pause")
    actions.pause(current(), job_id)
    return to_run(job_id)


@blueprint.post("/jobs/<int:job_id>/resume")
def resume(job_id: int) -> Response:
    """Let a paused run resume."""
    _refuse_other_button("resume")
    actions.resume(current(), job_id)
    return to_run(job_id)


@blueprint.post("/jobs/<int:job_id>/retry")
def retry(job_id: int) -> Response:
    """Give a failed run another try; one that has got it already, by another click, is shown."""
    _refuse_other_button("retry")
    from_scratch = request.form.get("from_scratch") == "true"
    try:
        actions.retry(current(), job_id, {"from_scratch": from_scratch})
    except Conflict:
        if not _is_retried(job_id, from_scratch=from_scratch):
            raise
    return to_run(job_id)


def _refuse_other_button(action: str) -> None:
    """Refuse a form whose button has another name than its address: the page was changed by halves.

    Raises:
        Conflict: the button was meant for something else.
    """
    meant = request.form.get("action", action)
    if meant != action:
        raise Conflict(message("run.other_button", meant=meant, asked=action))


def _is_retried(job_id: int, *, from_scratch: bool) -> bool:
    with current().database.reading() as session:
        row, _ = queries.job(session, job_id)
        if row.state in FINAL or row.desired == "cancel":
            return False
        newest = [event for event, _ in queries.milestones(session, job_id, FEW_EVENTS)]
    scratch = [
        each for each in newest if each.kind == "retried" and each.payload.get("from_scratch")
    ]
    return bool(scratch) or not from_scratch
