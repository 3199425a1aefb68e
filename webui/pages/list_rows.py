"""What tells runs of one name apart in a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.spec.migrate import migrate
from webui.pages.list_columns import Column, choices, value_at

MOST = 3
"""Differences that are shown of a run."""


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
    return differing[:MOST]
