"""The wall: what runs, what ended lately and what waits, for a big screen that nobody touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template
from sqlalchemy.orm import Session

from core import queries, workers
from core.database.models import Job
from core.jobs.overview import next_ids
from core.metrics import thumbnails
from core.queries import Page, Selection
from core.spec import facts
from webui.api.shapes import JSON, list_of_jobs
from webui.context import current
from webui.pages.blueprint import blueprint, whole_or_part
from webui.pages.sparkline import POINTS, sparkline

MOST_RUNNING = 8
"""Of more it is told how many there are: they could not be read from afar."""
BESIDE = 8
"""Rows beside what runs: what waits, and below it what ended lately."""
MOST_NEXT = 3
MOST_WAITING = 4
"""Rows of what waits: of paused runs too, where fewer are queued."""
LOOKED_AT = 20
"""Runs that start next, among which those are found that whoever looks may see."""
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
        waiting = _waiting(session, parts.seen_by)
        ended = queries.ended_lately(session, BESIDE - len(waiting), parts.seen_by)
        page: JSON = {
            "running": _with_curves(session, shown),
            "more": len(running.items) - len(shown),
            "waiting": _as_json(session, waiting),
            "ended": _as_json(session, ended),
            "beside": BESIDE,
            "queued": queries.count_of_state(session, "queued"),
            "paused": queries.count_of_state(session, "paused"),
            "failed": queries.count_failed_lately(session),
            "fleet": _fleet(session),
        }
    return render_template(whole_or_part("wall/page.html", "wall/_content.html"), **page)


def _waiting(session: Session, seen_by: str | None) -> list[Job]:
    """What starts next, and where there is room the newest of what is paused."""
    order = {job_id: place for place, job_id in enumerate(next_ids(session, LOOKED_AT))}
    seen = queries.jobs_by_id(session, list(order), seen_by)
    queued = [job for job in seen if job.state == "queued" and not job.deleted_at]
    first = sorted(queued, key=lambda job: order[job.id])[:MOST_NEXT]
    rest = Selection(states=["paused"], seen_by=seen_by)
    return [*first, *(job for job, _ in queries.jobs(session, rest, MOST_WAITING).items)][
        :MOST_WAITING
    ]


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
