"""The rows of a list: stretches of them, and what tells runs of one name apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from core.spec.migrate import migrate
from webui.pages.list_columns import Column, choices, value_at

Each = TypeVar("Each")

MOST = 3
"""Differences that are shown of a run."""


SCREENFUL = 12
"""Rows without which the page is not drawn for the first time."""
STRETCH = 20
"""Rows that a browser draws, or leaves alone, as one part of the page: so many on the average."""


def stretches(rows: Sequence[Each], number: Callable[[Each], int]) -> list[list[Each]]:
    """The rows of a page in parts, for the browser to skip those that are out of sight.

    Where a part ends hangs on the run and not on its place, so that a new run at the top, or one
    that goes, changes one part and does not move a row of every other.

    Args:
        rows: of a page.
        number: tells the number of a row's run.
    """
    found: list[list[Each]] = [[]]
    for row in rows:
        found[-1].append(row)
        if number(row) % STRETCH == 0:
            found.append([])
    return [each for each in found if each]


def namesakes(jobs: Sequence[Mapping[str, Any]]) -> dict[int, list[Column]]:
    """For each run that has the name of another, the hyperparameters in which these differ."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for job in jobs:
        by_name.setdefault(job["name"], []).append(job)
    found: dict[int, list[Column]] = {}
    for same in by_name.values():
        if len(same) > 1:
            found |= dict.fromkeys((job["id"] for job in same), _differing(same))
    return found


def _differing(jobs: Sequence[Mapping[str, Any]]) -> list[Column]:
    specs = list({repr(job["spec"]): migrate(job["spec"]) for job in jobs}.values())
    if len(specs) == 1:
        return []
    columns = (each for choice in choices() for each in choice.columns)
    differing = [
        each
        for each in columns
        if each.kind == "hyperparameter"
        and len({repr(value_at(spec, each.name)) for spec in specs}) > 1
    ]
    telling = _telling(differing, specs)
    rest = [each for each in differing if each not in telling][: MOST - len(telling)]
    return [each for each in differing if each in telling or each in rest]


def _telling(columns: Sequence[Column], specs: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The first columns, at most `MOST`, by which as many specs as possible are told apart."""
    found: list[Column] = []
    apart = 1
    while len(found) < MOST:
        counts = {each.name: _count_apart([*found, each], specs) for each in columns}
        best = max(columns, key=lambda each: counts[each.name], default=None)
        if best is None or counts[best.name] == apart:
            break
        apart = counts[best.name]
        found.append(best)
    return found


def _count_apart(columns: Sequence[Column], specs: Sequence[Mapping[str, Any]]) -> int:
    """How many kinds of specs there are by the values of some columns."""
    return len({tuple(repr(value_at(spec, each.name)) for each in columns) for spec in specs})
