"""The workers, and the queues that they serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response, redirect, render_template, request, url_for

from core import formats, queries
from core.database.models import Job, Worker
from core.jobs.actors import sees
from core.jobs.overview import overview
from core.jobs.rests import parse
from core.languages import gettext
from core.workers import status
from webui import actions
from webui.api.shapes import JSON, QueueShape, WorkerShape
from webui.context import current
from webui.filters import run_name
from webui.pages.blueprint import blueprint

"""A CPU's name, as a worker registers it."""

Row = tuple[Worker, list[Job], bool]


@blueprint.get("/workers")
def workers() -> str:
    """The workers: those that are there first, then those that were; and the queue.

    A page that is kept fresh asks for its parts: `part=1` for the workers, `part=queue`.
    """
    part = request.args.get("part", "")
    if part == "queue":
        return render_template("workers/_queue.html", queue=_queue())
    shown = _workers(request.args.get("cursor", ""))
    if part:
        return render_template("workers/_list.html", **shown)
    return render_template("workers/page.html", queue=_queue(), **shown)


@blueprint.post("/workers/<int:worker_id>/drain")
def drain_worker(worker_id: int) -> Response:
    """Let a worker claim nothing new."""
    return _to_worker(actions.drain_worker(current(), str(worker_id)))


@blueprint.post("/workers/<int:worker_id>/resume")
def resume_worker(worker_id: int) -> Response:
    """Let a worker claim again, and try again what it rests from."""
    return _to_worker(actions.resume_worker(current(), str(worker_id)))


def _to_worker(worker_id: int) -> Response:
    response = redirect(url_for("pages.workers", _anchor=f"worker-{worker_id}"), 303)
    assert isinstance(response, Response)
    return response


def _workers(cursor: str) -> dict[str, Any]:
    with current().database.reading() as session:
        page = queries.workers(session, cursor=cursor)
        named = {rest.job_id for row in page.items for rest in parse(row[0].rests)}
        known = {job.id for job in queries.jobs_by_id(session, sorted(named), current().seen_by)}
        live = [worker for worker, _, is_live in page.items if is_live]
        shown = [_shown(row) | {"beside": _beside(row[0], live)} for row in page.items]
    return {
        "live": [each for each in shown if each["is_live"]],
        "starting": [each for each in shown if each["status"] == "starting"],
        "others": [each for each in shown if each["status"] in ("lost", "stopped")],
        "known": known,
        "cursor": cursor,
        "older": page.next,
    }


def _beside(worker: Worker, live: Sequence[Worker]) -> list[str]:
    """The names of the live workers that are known to be on the same machine."""
    return [
        other.name
        for other in live
        if worker.host and other.host == worker.host and other.id != worker.id
    ]


def _queue() -> JSON:
    """What waits, and how the last day was, with the height of each hour's bar."""
    with current().database.reading() as session:
        now, day = overview(session), queries.last_day(session)
        shown = QueueShape.of(now, day).as_json()
        passed_by = {each.first_id for each in now.passed_by}
    most = max((hour.ended for hour in day.hours), default=0)
    return shown | {
        "count": now.count,
        "passed_by": [each for each in shown["waiting"] if each["first_id"] in passed_by],
        "most": most,
        "ended": sum(hour.ended for hour in day.hours),
    }


def _shown(row: Row) -> JSON:
    """A worker as its card has it."""
    worker, running, _ = row
    state = _state(row)
    return WorkerShape.of(row).as_json() | {
        "status": state,
        "label": _label(state),
        "waits_s": _waits_s(worker),
        "names": {job.id: _name(job) for job in running},
        "units": _units(worker, {job.id for job in running}),
    }


def _name(job: Job) -> str:
    """What a run is called, for whoever asks."""
    return run_name(job) if sees(current().actor, job) else gettext("a private run")


def _state(row: Row) -> str:
    """What a worker is called: that it is drained, or rests, is more than that it is live."""
    worker, running, is_live = row
    called = status(worker, is_live=is_live)
    if called != "live":
        return called
    if worker.desired == "drain":
        return "draining" if running else "drained"
    return "resting" if any(_waits_s(worker)) else "live"


def _label(state: str) -> str:
    return {
        "live": gettext("live"),
        "resting": gettext("resting"),
        "draining": gettext("draining"),
        "drained": gettext("drained"),
        "starting": gettext("starting"),
        "lost": gettext("lost"),
        "stopped": gettext("stopped"),
    }[state]


def _device_name(device: Any) -> str:
    """A device as it is called in the reader's language."""
    name = (device.get("name") or device["kind"]) if isinstance(device, dict) else device
    return formats.device(str(name))


def _units(worker: Worker, running: set[int]) -> list[JSON]:
    """The devices of a worker, each with how busy it is and what runs on it.

    What runs is what the database says. A reading is seconds old, and only knows where.
    """
    gauges = [*worker.gauges.get("devices", ()), *({} for _ in worker.devices)]
    units = [
        {
            "name": _device_name(device),
            "is_gpu": isinstance(device, dict) and device.get("kind") == "cuda",
            "reading": reading,
            "runs": [job_id for job_id in reading.get("runs", ()) if job_id in running],
        }
        for device, reading in zip(worker.devices, gauges, strict=False)
    ]
    placed = {job_id for unit in units for job_id in unit["runs"]}
    if units:  # on which device is not known yet: on the first, where there is but one
        units[0]["runs"] += sorted(running - placed) if len(units) == 1 else []
    return units


def _waits_s(worker: Worker) -> list[float]:
    """Seconds that each rest of a worker still lasts; 0: the next run tries that work.

    Its last heartbeat is the moment by the database's clock, to two seconds.
    """
    return [
        max(0.0, (rest.until - worker.last_heartbeat_at).total_seconds())
        for rest in parse(worker.rests)
    ]
