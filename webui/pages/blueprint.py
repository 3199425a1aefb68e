"""The blueprint of the pages, and what each of them is given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for

from core import formats
from core.states import FINAL
from webui.addresses import host_only
from webui.api.requests import SELECTING
from webui.api.shapes import timestamp
from webui.filters import FILTERS
from webui.live import hub

MISSED_HEARTBEATS = 2.5
"""After as many a page gives its stream up, says so, and connects again."""

blueprint = Blueprint("pages", __name__)

CHOICES = SELECTING
"""What chooses runs, by its name in the address of a list."""

for _filter in FILTERS:
    blueprint.add_app_template_filter(_filter)


@blueprint.app_context_processor
def _common() -> dict[str, Any]:
    """What every page needs: the remembered theme, our clock, and how values are written."""
    theme = request.cookies.get(host_only("theme"))
    return {
        "theme": theme if theme in ("light", "dark") else None,
        "server_time": timestamp(datetime.now(UTC)),
        "silence_ms": round(hub.HEARTBEAT_S * MISSED_HEARTBEATS * 1000),
        "formats": formats.table(),
        "nothing": formats.NOTHING,
        "final_states": FINAL,
    }


def whole_or_part(whole: str, part: str) -> str:
    """The template that was asked for: a page that is kept fresh asks for a part of itself."""
    return part if "part" in request.args else whole


def to_run(job_id: int) -> Response:
    """Send a browser to the page of a run."""
    response = redirect(url_for("pages.job", job_id=job_id), 303)
    assert isinstance(response, Response)
    return response


def to_runs_of(tag: str) -> Response:
    """Send a browser to the list of the runs that have a tag."""
    response = redirect(url_for("pages.jobs", tag=tag), 303)
    assert isinstance(response, Response)
    return response
