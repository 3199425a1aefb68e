"""The wall: what runs, what ended lately and what waits, for a big screen that nobody touches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import render_template
from sqlalchemy.orm import Session

from core import queries
from core.database.models import Job
from core.metrics import thumbnails
from core.queries import MOST_COUNTED, Page, Selection
from core.spec import facts
from webui.api.shapes import JSON, WorkerShape, list_of_jobs
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part
from webui.pages.sparkline import POINTS, sparkline

MOST_RUNNING = 8
"""Of more it is told how many there are: they could not be read from afar."""
MOST_ENDED = 5
MOST_WORKERS = 100


@blueprint.get("/wall")
def wall() -> str:
    """The whole installation at a glance."""
    parts = current()
    chosen = Selection(states=["running"], seen_by=parts.seen_by)
    with parts.database.reading() as session:
        running = queries.jobs(session, chosen, queries.LARGEST_LIMIT)
        shown = running.items[:MOST_RUNNING]
        workers = [
            WorkerShape.of(row).as_json() for row in queries.workers(session, MOST_WORKERS).items
        ]
        live = [each for each in workers if each["is_live"]]
        queued = queries.count_queued(session)
        page: JSON = {
            "running": _with_curves(session, shown),
            "more": len(running.items) - len(shown),
            "ended": _as_json(session, queries.ended_lately(session, MOST_ENDED, parts.seen_by)),
            "queued": min(queued, MOST_COUNTED),
            "are_more_queued": queued > MOST_COUNTED,
            "live": len(live),
            "slots": sum(each["slots"] for each in live),
            "taken": sum(each["slots_taken"] for each in live),
        }
    return render_template(whole_or_part("wall/page.html", "wall/_content.html"), **page)


def _with_curves(session: Session, rows: Sequence[tuple[Job, str | None]]) -> list[JSON]:
    curves = thumbnails.train_losses(session, [job.id for job, _ in rows], POINTS)
    shown = list_of_jobs(session, Page(rows, None)).items
    return [_facts(job.as_json()) | {"curve": sparkline(curves.get(job.id, ()))} for job in shown]


def _as_json(session: Session, jobs: Sequence[Job]) -> list[JSON]:
    shown = list_of_jobs(session, Page([(job, None) for job in jobs], None)).items
    return [_facts(job.as_json()) for job in shown]


def _facts(job: dict[str, Any]) -> JSON:
    return job | {"summary": facts.summary(job["spec"])}
