"""Runs of a list that differ by their seeds alone, as one row with the means of what they have."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import formats
from core.languages import gettext, ngettext
from core.spec import facts
from core.states import FINAL
from webui.pages.list_columns import SPREAD, Column, cells
from webui.pages.seed_names import name_without_seed


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
    def name(self) -> str:
        """What its runs are called, without the seed."""
        return name_without_seed([run["name"] for run in self.runs])

    @property
    def seeds(self) -> str:
        """How many seeds it has, in words; a seed may have been run several times."""
        seeds, runs = self._seeds, len(self.runs)
        if seeds == runs:
            return ngettext("%(num)s seed", "%(num)s seeds", seeds)
        return ngettext(
            "%(num)s seed, %(runs)s runs",
            "%(num)s seeds, %(runs)s runs",
            seeds,
            runs=formats.whole(runs),
        )

    @property
    def _seeds(self) -> int:
        return len({run["spec"].get(facts.SEED) for run in self.runs})

    @property
    def ended(self) -> str:
        """How many of its runs have ended, in words; empty: all of them."""
        ended = sum(run["state"] in FINAL for run in self.runs)
        if ended == len(self.runs):
            return ""
        return gettext(
            "%(ended)s of %(all)s ended",
            ended=formats.whole(ended),
            all=formats.whole(len(self.runs)),
        )

    @property
    def progress(self) -> dict[str, float]:
        """How far its runs are together."""
        fractions = [run["progress"]["fraction"] for run in self.runs]
        return {"fraction": statistics.fmean(fractions)}

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
        if not values:
            return formats.NOTHING
        shown = write(statistics.fmean(values))
        if len(values) > 1:
            spread = write(statistics.stdev(values))
            shown = gettext("%(mean)s ± %(spread)s", mean=shown, spread=spread)
        if len(values) == self._seeds:
            return shown
        count, seeds = formats.whole(len(values)), formats.whole(self._seeds)
        part = gettext("%(count)s of %(all)s", count=count, all=seeds)
        return gettext("%(value)s (%(part)s)", value=_unbroken(shown), part=_unbroken(part))


def _unbroken(text: str) -> str:
    """Text that stays on one line."""
    return text.replace(" ", "\u00a0")


def _common(of_runs: Sequence[Mapping[str, str]], name: str) -> str:
    found = {each[name] for each in of_runs}
    return found.pop() if len(found) == 1 else gettext("several")
