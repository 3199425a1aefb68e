"""The list of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from core import queries, saved_filters
from core.database.instance import instance_of
from core.database.models import MEASURED, Job
from core.datasets.builtin import DATASETS
from core.errors import InvalidInput
from core.jobs import events
from core.languages import gettext
from core.metrics import thumbnails
from core.queries import Page, Selection
from core.spec import facts
from core.spec.presets import PRESETS
from core.states import STATES, State
from webui import actions
from webui.api.requests import args_of, selection
from webui.api.shapes import JSON, list_of_jobs
from webui.context import current
from webui.pages import list_columns, list_view
from webui.pages.blueprint import CHOICES, blueprint
from webui.pages.choice import MOST_COMPARED
from webui.pages.list_columns import Column, cells
from webui.pages.list_groups import SeedGroup
from webui.pages.list_rows import SCREENFUL, namesakes, stretches
from webui.pages.list_view import (
    COOKIE,
    MOST_COUNTED,
    NO_COLUMNS,
    View,
    chosen_in,
    counted,
    query_of,
    view_of_request,
)
from webui.pages.outcome import still_chosen, undone
from webui.pages.sparkline import POINTS, Sparkline, sparkline
from webui.streaming import stream

YEAR_S = 365 * 86_400

Curves = Mapping[int, Sparkline | None]
Member = tuple[Job, str | None]
"""A run and its worker's name."""


TYPED = ("filter", "created_from", "created_to")
"""What the form of the list has as texts that can be wrong."""
CONDITION = "test_accuracy > 0.98 and epochs = 5"
"""An example of what a list is filtered by."""
SHOW = "show"
"""What the forms of the list send besides: their many fields become a short address."""
OF_COLUMNS = "columns"
"""What that of the columns sends: they are remembered. Those of somebody's link are not."""


@blueprint.get("/jobs/", endpoint="jobs")
@blueprint.get("/jobs", endpoint="jobs")  # where a refused form was sent
@blueprint.get("/", endpoint="jobs")
def runs() -> Response:
    """The list of runs: newest first, or as the address says."""
    view = view_of_request()
    if SHOW in request.args:
        to_list = _to(view.chosen)
        return _remembering(to_list, view) if request.args[SHOW] == OF_COLUMNS else to_list
    asked, wrong = _asked()
    cursor = request.args.get("cursor", "")
    is_part = "part" in request.args
    with current().database.reading() as session:
        counts = queries.counts_of_states(session, asked, MOST_COUNTED)
        newest = events.newest_id(session)
        instance = instance_of(session)
        total = _total(session, asked, counts)
        known_tags = [] if is_part else queries.newest_tags(session, current().seen_by)
        kept = saved_filters.of_owner(session, current().actor.name)
    awaited, page = _beginning(asked, view, cursor)
    shown = {
        "view": view,
        "wrong": wrong,
        "condition": CONDITION,
        "awaited": awaited,
        "newest_event": newest,
        "instance": instance,
        "chosen": view.chosen,
        "filtered": [
            name for name in view.chosen if name in CHOICES and name not in ("sort", *wrong)
        ],
        "states": STATES,
        "choices": {"dataset": list(DATASETS), "model": facts.MODELS, "preset": list(PRESETS)},
        "column_choices": list_columns.choices(),
        "always": list_columns.always(),
        "measured": MEASURED,
        "total": total,
        "counts": {state: counted(count) for state, count in counts.items()},
        "most_counted": MOST_COUNTED,
        "most_at_once": actions.MOST_AT_ONCE,
        "most_compared": MOST_COMPARED,
        "still_chosen": () if is_part else still_chosen(),
        "limits": list_view.LIMITS,
        "known_tags": known_tags,
        "filter_titles": _filter_titles(),
        "none_of_these": dict.fromkeys(_filter_titles()),
        "undone": undone,
        "undo_s": current().settings.undo_hours * 3600.0,
        "cursor": cursor,
        "saved": [_saved(each, view) for each in kept],
    }
    if is_part:
        return make_response(render_template("runs/_list.html", page=page(), flush=str, **shown))
    response: Response = stream("runs/page.html", ask=page, **shown)
    response.status_code = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    return response


def _asked() -> tuple[Selection, dict[str, str]]:
    """Which runs are asked for, and what is wrong with what was typed, which is left out."""
    args, wrong = request.args.copy(), dict[str, str]()
    while True:
        try:
            return selection(args), wrong
        except InvalidInput as error:
            if not {each.field for each in error.errors} <= set(TYPED):
                raise
            wrong |= {each.field: each.message for each in error.errors}
            for name in wrong:
                args.poplist(name)


def _total(session: Session, asked: Selection, counts: Mapping[State, int]) -> int:
    """How many runs the list has; more than `MOST_COUNTED`: not counted."""
    if not counts:
        return queries.count_of_jobs(session, asked, MOST_COUNTED)
    states: Sequence[State] = [each for each in STATES if each in asked.states] or STATES
    return sum(counts[each] for each in states)


def _to(chosen: JSON) -> Response:
    response = redirect(url_for("pages.jobs", **chosen), 303)
    assert isinstance(response, Response)
    return response


def _remembering(response: Response, view: View) -> Response:
    """An answer that has the browser remember which columns were chosen."""
    response.set_cookie(
        COOKIE, view.chosen.get(COOKIE, NO_COLUMNS), max_age=YEAR_S, samesite="Strict"
    )
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
        "filter": gettext("Values"),
        "created_from": gettext("Created from (UTC)"),
        "created_to": gettext("Created to (UTC)"),
    }


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands on a page of the list."""

    count: int
    """How many rows it has."""
    stretches: Iterable[Sequence[JSON]]
    """The rows, in the parts that a browser draws. They are made when they are asked for."""
    next: str | None
    before: str | None
    """The cursor of the page before; empty: that is the first; None: this is."""
    groups: int | None = None
    """Of all pages; None: they are not counted, or there are none."""


def _beginning(asked: Selection, view: View, cursor: str) -> tuple[str, Callable[[], _Found]]:
    """The row with which the page is drawn for the first time, and what finds all of its rows.

    What is no order or no cursor is refused here, before the head is sent, which has the status.
    """
    with current().database.reading() as session:
        if view.is_grouped:
            rows, found = _groups(session, asked, view, cursor)
            return _row_id(rows[:SCREENFUL][-1]) if rows else "", lambda: found
        first = queries.jobs(session, asked, SCREENFUL, cursor).items
    return f"job-{first[-1][0].id}" if first else "", partial(_page, asked, view, cursor)


def _row_id(row: JSON) -> str:
    return f"{'group' if row['group'] else 'job'}-{row['run']['id']}"


def _groups(
    session: Session, asked: Selection, view: View, cursor: str
) -> tuple[list[JSON], _Found]:
    page = queries.groups(session, asked, view.limit, cursor)
    rows = _rows(session, page.items, view)
    parts = stretches(rows, lambda row: int(row["run"]["id"]))
    return rows, _Found(len(rows), parts, page.next, page.before, page.count)


def _page(asked: Selection, view: View, cursor: str) -> _Found:
    with current().database.reading() as session:
        found = queries.jobs(session, asked, view.limit, cursor)
        before = queries.cursor_before(session, asked, view.limit, cursor) if cursor else None
    return _Found(len(found.items), _stretches(found.items, view), found.next, before)


def _stretches(runs: Sequence[Member], view: View) -> Iterator[Sequence[JSON]]:
    """The rows of runs, the first screenful before anything is asked of the others."""
    differing = namesakes([{"id": job.id, "name": job.name, "spec": job.spec} for job, _ in runs])
    parts = stretches(runs, lambda run: run[0].id)
    enough = next((at for at in range(len(parts)) if sum(map(len, parts[:at])) >= SCREENFUL), None)
    for batch in (parts[:enough], parts[enough:] if enough else []):
        with current().database.reading() as session:
            rows = _rows(session, [[run] for part in batch for run in part], view, differing)
        made = iter(rows)
        yield from ([next(made) for _ in part] for part in batch)


def _rows(
    session: Session,
    groups: Sequence[Sequence[Member]],
    view: View,
    differing: Mapping[int, Sequence[Column]] | None = None,
) -> list[JSON]:
    """Rows of a page: a run each, or a group of runs with those that it shows.

    Args:
        session: where to look.
        groups: the runs of each row.
        view: how they are shown.
        differing: what tells each from its namesakes; None: they are all here, and are compared.
    """
    shown = list_of_jobs(session, Page([each for group in groups for each in group], None))
    by_id = {job.id: job.as_json() for job in shown.items}
    ids = [[job.id for job, _ in group] for group in groups]
    drawn = {each for group in ids for each in group if _is_shown(group, each, view)}
    has_curves = any(each.name == "curve" for each in view.columns)
    curves = _curves(session, sorted(drawn)) if has_curves else {}
    heads = {
        group[0]: SeedGroup([by_id[each] for each in group]).name for group in ids if group[1:]
    }
    if differing is None:
        differing = namesakes(
            [
                _as_group(by_id[each], heads[each]) if each in heads else by_id[each]
                for each in drawn
            ]
        )
    # a member that is not drawn is written into no cell: of it only the group's numbers are made
    for job_id in drawn:
        own = [each for each in differing.get(job_id, ()) if _tells_apart(each, job_id in heads)]
        by_id[job_id] = _run(by_id[job_id], view, curves, own)
    return [_row([by_id[job_id] for job_id in group], view) for group in ids]


def _as_group(job: JSON, name: str) -> JSON:
    """The first run of a group as all of them, which have not one seed."""
    return job | {"name": name, "spec": job["spec"] | {facts.SEED: None}}


def _tells_apart(column: Column, is_group: bool) -> bool:
    return not (is_group and column.name == facts.SEED)


def _is_shown(group: Sequence[int], job_id: int, view: View) -> bool:
    return job_id == group[0] or str(group[0]) in view.open


def _curves(session: Session, job_ids: Sequence[int]) -> Curves:
    found = thumbnails.train_losses(session, job_ids, POINTS)
    return {job_id: sparkline(losses) for job_id, losses in found.items()}


def _run(job: JSON, view: View, curves: Curves, differing: Sequence[Column]) -> JSON:
    there = view.hyperparameters
    own = [each for each in differing if each.name not in there]
    return job | {
        "summary": facts.summary(job["spec"], there | {each.name for each in own}),
        "cells": cells(view.columns, job),
        "curve": curves.get(job["id"]),
        "differs": [(each.title, cells([each], job)[each.name]) for each in own],
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
        "is_current": query_of(chosen_in(args_of(kept.query))) == view.query,
    }
