"""What is to be said of several runs beside each other: what they differ in, and by how much."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from statistics import fmean
from typing import Any

from core import predictions, statistics
from core.messages import Message, message
from core.spec.spec import Spec
from core.statistics import LEVEL, Interval
from webui.forms.describing import described

ALL_PAIRS = 6
"""Of so many runs each is compared with each; of more, each with the best."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A run in a comparison."""

    job_id: int
    name: str
    spec: Spec
    accuracy: float | None
    """On the test set, by the published weights; None: it was not evaluated."""
    content: Mapping[str, Any] | None
    """Its evaluation."""

    @property
    def called(self) -> str:
        """What it is called in a sentence: two runs may have one name."""
        return f"{self.name} (#{self.job_id})"

    @property
    def tested_on(self) -> tuple[str, int, str | None]:
        """What tells its test set from others."""
        content = self.content or {}
        return str(self.spec.get("dataset")), content.get("count", 0), content.get("labels")

    @property
    def interval(self) -> Interval | None:
        """Where its true accuracy lies, by the images of the test set."""
        if self.content is None:
            return None
        count = self.content["count"]
        return statistics.share_interval(round(self.content["accuracy"] * count), count)


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that differ in nothing but their seeds."""

    members: Sequence[Contestant]

    @property
    def called(self) -> str:
        """What it is called in a sentence."""
        return self.members[0].called if len(self.members) == 1 else self.members[0].name

    @property
    def accuracies(self) -> Sequence[float]:
        """Of those that have one."""
        return [each.accuracy for each in self.members if each.accuracy is not None]

    @property
    def mean(self) -> float:
        """Of the accuracies, of which there must be some."""
        return fmean(self.accuracies)

    @property
    def interval(self) -> Interval | None:
        """Where the mean over all seeds lies; None with fewer than two."""
        return statistics.mean_interval(self.accuracies) if len(self.accuracies) > 1 else None


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which runs differ, with the value of each."""

    title: str
    values: Sequence[str]


def differences(specs: Sequence[Spec]) -> list[Difference]:
    """The fields that have not the same value everywhere, in the order of the form."""
    columns = [_described(spec) for spec in specs]
    titles = dict.fromkeys(title for column in columns for title in column)
    rows = [Difference(title, [each.get(title, "") for each in columns]) for title in titles]
    return [row for row in rows if len(set(row.values)) > 1]


def _described(spec: Spec) -> dict[str, str]:
    found = {}
    for title, rows in (part for parts in described(spec) for part in parts):
        section, _, kind = title.partition(": ")
        if kind:
            found[section] = kind
        found |= {f"{section}: {label}": value for label, value in rows}
    return found


def groups(contestants: Sequence[Contestant]) -> list[Group]:
    """Runs that differ by their seeds alone, together, in the order in which they come first."""

    def key(each: Contestant) -> str:
        return repr(sorted((name, value) for name, value in each.spec.items() if name != "seed"))

    first: dict[str, int] = {}
    for place, each in enumerate(contestants):
        first.setdefault(key(each), place)
    ordered = sorted(contestants, key=lambda each: first[key(each)])
    return [Group(list(members)) for _, members in groupby(ordered, key)]


def verdicts(contestants: Sequence[Contestant]) -> list[Message]:
    """What can be said about which run is better, in sentences."""
    measured = [each for each in contestants if each.accuracy is not None and each.content]
    if len(measured) < 2:
        return []
    if len({each.tested_on[:2] for each in measured}) > 1:
        return [message("comparison.other_datasets")]
    by_seeds = [group for group in groups(measured) if len(group.members) > 1]
    said = _of_seeds(by_seeds) if len(by_seeds) > 1 else []
    if not by_seeds:
        said = _of_runs(measured)
    if all(not each.spec.get("data", {}).get("validation") for each in measured):
        said.append(message("comparison.chosen_by_test", count=len(measured)))
    return said


def _of_seeds(compared: Sequence[Group]) -> list[Message]:
    pairs = list(_pairs(compared, lambda group: group.mean))
    enough = [pair for pair in pairs if _can_be_told(*pair)]
    chances = iter(
        statistics.holm(
            [statistics.permutation(one.accuracies, other.accuracies) for one, other in enough]
        )
    )
    corrected = _corrected(len(enough))
    return [
        _by_seeds(*pair, next(chances) if pair in enough else None, corrected) for pair in pairs
    ]


def _can_be_told(one: Group, other: Group) -> bool:
    """Whether groups of these sizes can lie so far apart that it is more than chance."""
    sizes = len(one.accuracies), len(other.accuracies)
    return 2 / math.comb(sum(sizes), sizes[0]) < LEVEL


def _by_seeds(
    better: Group, worse: Group, chance: float | None, corrected: Message | None
) -> Message:
    facts: dict[str, Any] = {
        "better": better.called,
        "worse": worse.called,
        "better_accuracy": better.mean,
        "worse_accuracy": worse.mean,
        "better_seeds": len(better.accuracies),
        "worse_seeds": len(worse.accuracies),
    }
    if chance is None:
        return message("comparison.few_seeds", **facts)
    code = "comparison.seeds" if chance < LEVEL else "comparison.seeds_noise"
    return message(code, **facts, chance=chance, corrected=corrected)


def _of_runs(compared: Sequence[Contestant]) -> list[Message]:
    pairs = list(_pairs(compared, lambda each: each.accuracy or 0))
    splits = [_split(better, worse) for better, worse in pairs]
    tested = [split for split in splits if split is not None]
    chances = iter(statistics.holm([statistics.mcnemar(*split) for split in tested]))
    corrected = _corrected(len(tested))
    return [
        _by_intervals(better, worse)
        if split is None
        else _image_by_image(better, worse, split, next(chances), corrected)
        for (better, worse), split in zip(pairs, splits, strict=True)
    ]


def _corrected(count: int) -> Message | None:
    """What is said of a chance that is one of several."""
    return message("comparison.corrected", count=count) if count > 1 else None


def _pairs(compared: Sequence[Any], accuracy: Callable[[Any], float]) -> Iterable[tuple[Any, Any]]:
    """Pairs of a better one and a worse one, the best first."""
    ordered = sorted(compared, key=accuracy, reverse=True)
    if len(ordered) <= ALL_PAIRS:
        return combinations(ordered, 2)
    return ((ordered[0], each) for each in ordered[1:])


def _split(better: Contestant, worse: Contestant) -> tuple[int, int] | None:
    """The images that only the one, and only the other, gets right; None: not known."""
    mine, theirs = better.content or {}, worse.content or {}
    if not mine.get("labels") or mine["labels"] != theirs.get("labels"):
        return None
    labels, first, second = (
        predictions.unpack(text)
        for text in (mine["labels"], mine["predictions"], theirs["predictions"])
    )
    only_better = only_worse = 0
    for label, one, other in zip(labels, first, second, strict=True):
        if one != other:
            only_better += one == label
            only_worse += other == label
    return only_better, only_worse


def _image_by_image(
    better: Contestant,
    worse: Contestant,
    split: tuple[int, int],
    chance: float,
    corrected: Message | None,
) -> Message:
    if split == (0, 0):
        return message("comparison.same_predictions", better=better.called, worse=worse.called)
    return message(
        "comparison.image_by_image" if chance < LEVEL else "comparison.image_by_image_noise",
        better=better.called,
        worse=worse.called,
        only_better=split[0],
        only_worse=split[1],
        count=better.tested_on[1],
        chance=chance,
        corrected=corrected,
    )


def _by_intervals(better: Contestant, worse: Contestant) -> Message:
    mine, theirs = better.interval, worse.interval
    assert mine is not None
    assert theirs is not None
    return message(
        "comparison.intervals_apart" if mine.low > theirs.high else "comparison.intervals_overlap",
        better=better.called,
        worse=worse.called,
        better_accuracy=better.accuracy,
        worse_accuracy=worse.accuracy,
    )
