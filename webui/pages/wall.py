"""The wall: what runs, what ended lately and what waits, for a big screen that nobody touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template
from sqlalchemy.orm import Session

from core import queries, workers
from core.database.models import Job
from core.jobs.overview import overview
from core.jobs.status import QueueStatus
from core.metrics import thumbnails
from core.queries import Page, Selection
from core.spec import facts
from webui.api.shapes import JSON, list_of_jobs
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part
from webui.pages.sparkline import POINTS, sparkline

MOST_RUNNING = 8
"""Of more it is told how many there are: they could not be read from afar."""
MOST_ENDED = 8
MOST_WORKERS = 100


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers in a few numbers."""

    live: int
    drained: int
    """Live ones that claim nothing new."""
    lost: int
    """Those lost in the last day, and not started again since."""
    slots: int
    taken: int


@blueprint.get("/wall")
def wall() -> str:
    """The whole installation at a glance."""
    parts = current()
    chosen = Selection(states=["running"], seen_by=parts.seen_by)
    with parts.database.reading() as session:
        running = queries.jobs(session, chosen, queries.LARGEST_LIMIT)
        shown = running.items[:MOST_RUNNING]
        queued = queries.count_of_state(session, "queued")
        page: JSON = {
            "running": _with_curves(session, shown),
            "more": len(running.items) - len(shown),
            "ended": _as_json(session, queries.ended_lately(session, MOST_ENDED, parts.seen_by)),
            "queued": queued,
            "waits": _why_the_first_waits(session) if queued.number else None,
            "paused": queries.count_of_state(session, "paused"),
            "failed": queries.count_failed_lately(session),
            "fleet": _fleet(session),
        }
    return render_template(whole_or_part("wall/page.html", "wall/_content.html"), **page)


def _why_the_first_waits(session: Session) -> QueueStatus | None:
    """Why the first run of the longest line waits; None where it was claimed meanwhile."""
    waiting = overview(session).waiting
    return waiting[0].first if waiting else None


def _fleet(session: Session) -> Fleet:
    rows = queries.workers(session, MOST_WORKERS).items
    live = [worker for worker, _, is_live in rows if is_live]
    return Fleet(
        live=len(live),
        drained=sum(worker.desired == "drain" for worker in live),
        lost=len(workers.missing(session)),
        slots=sum(worker.slots for worker in live),
        taken=sum(job.devices for _, running, is_live in rows if is_live for job in running),
    )


def _with_curves(session: Session, rows: Sequence[tuple[Job, str | None]]) -> list[JSON]:
    ids = [job.id for job, _ in rows]
    curves = thumbnails.train_losses(session, ids, POINTS)
    best = queries.best_test_accuracies(session, ids)
    shown = list_of_jobs(session, Page(rows, None)).items
    return [
        _facts(job.as_json())
        | {"curve": sparkline(curves.get(job.id, ())), "best": best.get(job.id)}
        for job in shown
    ]


def _as_json(session: Session, jobs: Sequence[Job]) -> list[JSON]:
    shown = list_of_jobs(session, Page([(job, None) for job in jobs], None)).items
    return [_facts(job.as_json()) for job in shown]


def _facts(job: dict[str, Any]) -> JSON:
    *what, _epochs = facts.highlights(job["spec"])
    return job | {"summary": " · ".join(what)}
