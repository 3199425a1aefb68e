"""The list of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Response, make_response, render_template, request
from sqlalchemy.orm import Session

from core import queries, saved_filters
from core.database.instance import instance_of
from core.database.models import MEASURED, Job
from core.datasets.builtin import DATASETS
from core.jobs import events
from core.languages import gettext
from core.metrics import thumbnails
from core.queries import Page, Selection
from core.spec import facts
from core.spec.presets import PRESETS
from core.states import STATES
from webui.api.requests import Args, args_of, selection, several
from webui.api.shapes import JSON, list_of_jobs
from webui.context import current
from webui.pages import list_columns
from webui.pages.blueprint import CHOICES, blueprint, whole_or_part
from webui.pages.list_columns import Column, cells
from webui.pages.list_groups import SeedGroup
from webui.pages.list_rows import namesakes
from webui.pages.sparkline import POINTS, Sparkline, sparkline

LIMITS = (50, 100, 500)
"""Rows of a page, to choose from."""
MOST_COUNTED = 1000
"""Runs that are counted to say how many there are; of more it is only said that there are more."""
COOKIE = "columns"
NO_COLUMNS = "none"
YEAR_S = 365 * 86_400

Curves = Mapping[int, Sparkline | None]


@blueprint.get("/jobs/", endpoint="jobs")
@blueprint.get("/jobs", endpoint="jobs")  # where a refused form was sent
@blueprint.get("/", endpoint="jobs")
def runs() -> Response:
    """The list of runs: newest first, or as the address says."""
    view = _view()
    cursor = request.args.get("cursor", "")
    with current().database.reading() as session:
        page = queries.jobs(session, selection(), view.limit, cursor)
        newest = events.newest_id(session)
        instance = instance_of(session)
        rows = _rows(session, page, view)
        total = queries.count_of_jobs(session, selection(), MOST_COUNTED)
        known_tags = (
            [] if "part" in request.args else queries.newest_tags(session, current().seen_by)
        )
        kept = saved_filters.of_owner(session, current().actor.name)
    response = make_response(
        render_template(
            whole_or_part("runs/page.html", "runs/_list.html"),
            rows=rows,
            view=view,
            newest_event=newest,
            instance=instance,
            chosen=view.chosen,
            filtered=[name for name in view.chosen if name in CHOICES and name != "sort"],
            states=STATES,
            choices={"dataset": list(DATASETS), "model": facts.MODELS, "preset": list(PRESETS)},
            column_choices=list_columns.choices(),
            measured=MEASURED,
            total=total,
            most_counted=MOST_COUNTED,
            limits=LIMITS,
            known_tags=known_tags,
            filter_titles=_filter_titles(),
            none_of_these=dict.fromkeys(_filter_titles()),
            undo_s=current().settings.undo_hours * 3600.0,
            cursor=cursor,
            older=page.next,
            saved=[_saved(each, view) for each in kept],
        )
    )
    if COOKIE in request.args and "part" not in request.args:
        names = view.chosen[COOKIE]
        response.set_cookie(COOKIE, names, max_age=YEAR_S, samesite="Strict")
    return response


def _filter_titles() -> dict[str, str]:
    """What a list is filtered by, as the form calls it."""
    return {
        "text": gettext("Name has"),
        "dataset": gettext("Dataset"),
        "model": gettext("Network"),
        "preset": gettext("Preset"),
        "tag": gettext("Tag"),
        "owner": gettext("Owner"),
        "created_from": gettext("Created from (UTC)"),
        "created_to": gettext("Created to (UTC)"),
    }


@dataclass(frozen=True, slots=True)
class View:
    """How the list is to be shown, by the address and by what the browser remembers."""

    chosen: JSON
    """What stands in the address, but for the page."""
    states: Sequence[str]
    sort: str
    columns: Sequence[Column]
    limit: int
    is_grouped: bool
    open: frozenset[str]
    """The groups whose runs are shown."""

    @property
    def widths(self) -> str:
        """The columns as a grid of CSS has them."""
        return list_columns.widths(self.columns)

    @property
    def query(self) -> str:
        """The address behind the question mark, as it is saved."""
        return _query(self.chosen)

    @property
    def order(self) -> str:
        """The title of the column that the list is sorted by; empty: it is in its usual order."""
        return next((each.title for each in list_columns.chosen([self.sort.lstrip("-")])), "")

    def opened(self, group_id: int) -> JSON:
        """What stands in the address when a group is opened, or closed where it is open."""
        ids = self.open ^ {str(group_id)}
        return self.chosen | {"open": ",".join(sorted(ids)) or None}


def _view() -> View:
    chosen = _chosen(request.args)
    remembered = request.cookies.get(COOKIE, "") or ",".join(list_columns.DEFAULT)
    names = chosen[COOKIE] if COOKIE in request.args else remembered
    return View(
        chosen,
        states=several("state"),
        sort=chosen.get("sort", ""),
        columns=list_columns.chosen(names.split(",")),
        limit=chosen.get("limit", LIMITS[0]),
        is_grouped="group" in chosen,
        open=frozenset(chosen["open"].split(",") if "open" in chosen else ()),
    )


def _chosen(args: Args) -> JSON:
    """What stands in an address, written in one way."""
    chosen: JSON = {name: value for name in CHOICES if (value := args.get(name, ""))}
    states = several("state", args)
    if states:
        chosen["state"] = ",".join(states)
    if COOKIE in args:
        columns = list_columns.chosen(several(COOKIE, args))
        chosen[COOKIE] = ",".join(each.name for each in columns) or NO_COLUMNS
    is_grouped = args.get("group") == "seed"
    opened = several("open", args) if is_grouped else []
    asked = args.get("limit", "")
    limit = int(asked) if asked in map(str, LIMITS) else LIMITS[0]
    chosen |= {"group": "seed"} if is_grouped else {}
    chosen |= {"open": ",".join(opened)} if opened else {}
    return chosen | ({"limit": limit} if limit != LIMITS[0] else {})


def _query(chosen: JSON) -> str:
    return urlencode({name: text for name, text in chosen.items() if name != "open"})


def _rows(session: Session, page: Page[tuple[Job, str | None]], view: View) -> list[JSON]:
    """The rows of a page: a run each, or a group of runs with those that it shows."""
    asked = selection()
    groups = _groups(session, page, asked) if view.is_grouped else [[row] for row, _ in page.items]
    worker_of = {row.id: worker for row, worker in page.items}
    jobs = [job for group in groups for job in group]
    shown = list_of_jobs(session, Page([(job, worker_of.get(job.id)) for job in jobs], None))
    by_id = {job.id: job.as_json() for job in shown.items}
    drawn = {each.id for group in groups for each in group if _is_shown(group, each, view)}
    has_curves = any(each.name == "curve" for each in view.columns)
    curves = _curves(session, sorted(drawn)) if has_curves else {}
    differing = namesakes([by_id[job_id] for job_id in drawn])
    # a member that is not drawn is written into no cell: of it only the group's numbers are made
    for job_id in drawn:
        by_id[job_id] = _run(by_id[job_id], view, curves, differing)
    return [_row([by_id[job.id] for job in group], view) for group in groups]


def _groups(
    session: Session, page: Page[tuple[Job, str | None]], asked: Selection
) -> list[list[Job]]:
    return queries.same_but_seed(session, asked, [row for row, _ in page.items])


def _is_shown(group: Sequence[Job], job: Job, view: View) -> bool:
    return job is group[0] or str(group[0].id) in view.open


def _curves(session: Session, job_ids: Sequence[int]) -> Curves:
    found = thumbnails.train_losses(session, job_ids, POINTS)
    return {job_id: sparkline(losses) for job_id, losses in found.items()}


def _run(job: JSON, view: View, curves: Curves, differing: Mapping[int, Sequence[Column]]) -> JSON:
    own = differing.get(job["id"], ())
    return job | {
        "summary": facts.summary(job["spec"]),
        "cells": cells(view.columns, job),
        "curve": curves.get(job["id"]),
        "differs": [(each.title, cells([each], job)[each.name]) for each in own],
        "is_namesake": job["id"] in differing,
    }


def _row(members: Sequence[JSON], view: View) -> JSON:
    if len(members) == 1:
        return {"run": members[0], "group": None}
    group = SeedGroup(members)
    is_open = str(group.id) in view.open
    return {
        "run": members[0],
        "group": group,
        "cells": group.cells(view.columns),
        "members": members if is_open else [],
        "is_open": is_open,
        "address": view.opened(group.id),
    }


def _saved(kept: Any, view: View) -> JSON:
    return {
        "id": kept.id,
        "name": kept.name,
        "query": kept.query,
        # a program may have written it, or an earlier release: in another order, say
        "is_current": _query(_chosen(args_of(kept.query))) == view.query,
    }
