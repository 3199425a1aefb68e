"""The workers."""

from __future__ import annotations

from flask import Response, redirect, render_template, request, url_for

from core import queries
from core.database.models import Job, Worker
from core.jobs.rests import parse
from core.workers import status
from webui import actions
from webui.api.shapes import WorkerShape
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part


@blueprint.get("/workers")
def workers() -> str:
    """The workers: those that are there first, then those that were."""
    cursor = request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.workers(session, cursor=cursor)
        named = {rest.job_id for row in page.items for rest in parse(row[0].rests)}
        known = {job.id for job in queries.jobs_by_id(session, sorted(named))}
        shown = [
            WorkerShape.of(row).as_json() | {"status": _state(row), "waits_s": _waits_s(row[0])}
            for row in page.items
        ]
    return render_template(
        whole_or_part("workers/page.html", "workers/_list.html"),
        workers=shown,
        known=known,
        cursor=cursor,
        older=page.next,
    )


@blueprint.post("/workers/<int:worker_id>/resume")
def resume_worker(worker_id: int) -> Response:
    """Let a worker try again what it rests from."""
    actions.resume_worker(current(), worker_id)
    response = redirect(url_for("pages.workers"), 303)
    assert isinstance(response, Response)
    return response


def _state(row: tuple[Worker, list[Job], bool]) -> str:
    """What a worker is called, or that it rests."""
    worker, _, is_live = row
    called = status(worker, is_live=is_live)
    return "resting" if called == "live" and any(_waits_s(worker)) else called


def _waits_s(worker: Worker) -> list[float]:
    """Seconds that each rest of a worker still lasts; 0: the next run tries that work.

    Its last heartbeat is the moment by the database's clock, to two seconds.
    """
    return [
        max(0.0, (rest.until - worker.last_heartbeat_at).total_seconds())
        for rest in parse(worker.rests)
    ]
