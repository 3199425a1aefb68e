"""Runs of a list that differ by their seeds alone, as one row with the means of what they have."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import formats
from core.languages import gettext
from core.spec import facts
from webui.pages.list_columns import Column, cells

SPREAD = {"test_accuracy", "test_loss", "validation_accuracy", "validation_loss", "train_loss"}
"""Columns that have the mean and the standard deviation of a group."""


@dataclass(frozen=True, slots=True)
class SeedGroup:
    """Some runs that differ by their seeds, newest first."""

    runs: Sequence[Mapping[str, Any]]
    """As the API shows them."""

    @property
    def id(self) -> int:
        """The number of its newest run, by which the address names it."""
        return int(self.runs[0]["id"])

    @property
    def states(self) -> list[tuple[str, int]]:
        """How many are in each state."""
        counts: dict[str, int] = {}
        for run in self.runs:
            counts[run["state"]] = counts.get(run["state"], 0) + 1
        return list(counts.items())

    def measured(self, name: str) -> list[float]:
        """A value for each seed, of runs that have ended well.

        A run that was made again with the same seed is the same run; what a run has come to that
        still trains, or that broke off, is no result.
        """
        by_seed = {
            run["spec"].get(facts.SEED): run[name]
            for run in reversed(self.runs)
            if run[name] is not None and run["state"] == "succeeded"
        }
        return list(by_seed.values())

    def cells(self, columns: Sequence[Column]) -> dict[str, str]:
        """What stands in its columns: a spread, or what all its runs have in common."""
        common = [each for each in columns if each.name not in SPREAD]  # a number takes its time
        own = [cells(common, run) for run in self.runs]
        return {
            each.name: self._spread(each) if each.name in SPREAD else _common(own, each.name)
            for each in columns
            if each.kind != "part"
        }

    def _spread(self, column: Column) -> str:
        values = self.measured(column.name)
        write: Callable[[float], str] = getattr(formats, column.kind)
        if len(values) < 2:
            return write(values[0]) if values else formats.NOTHING
        return gettext(
            "%(mean)s ± %(spread)s (%(count)s)",
            mean=write(statistics.fmean(values)),
            spread=write(statistics.stdev(values)),
            count=formats.whole(len(values)),
        )


def _common(of_runs: Sequence[Mapping[str, str]], name: str) -> str:
    found = {each[name] for each in of_runs}
    return found.pop() if len(found) == 1 else gettext("several")
