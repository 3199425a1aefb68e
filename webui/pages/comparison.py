"""What is to be said of several runs beside each other: what they differ in, and by how much."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from statistics import fmean, stdev
from typing import Any

from core import predictions, statistics
from core.languages import gettext
from core.messages import Message, message
from core.spec.fields import sections
from core.spec.hyperparameters import Hyperparameters
from core.spec.spec import Spec, merge
from core.spec.validation import KIND
from core.statistics import LEVEL, Interval
from webui.filters import run_name, visible
from webui.pages.mistakes import Mistake, mistakes
from webui.pages.seed_names import name_without_seed

ALL_PAIRS = 6
"""Of so many runs each is compared with each; of more, each with the best."""
SEED = "seed"
FEWEST_SUMMED_UP = 3
"""Verdicts that get a sentence before them."""

_BETTER = ("comparison.image_by_image", "comparison.intervals_apart", "comparison.seeds")
_UNTOLD = "comparison.few_seeds"
_NOT_BETTER = (
    "comparison.image_by_image_noise",
    "comparison.same_predictions",
    "comparison.intervals_overlap",
    "comparison.seeds_noise",
    _UNTOLD,
)

_DEFAULTS = Hyperparameters().model_dump(mode="json")


Split = tuple[int, int]
"""The images that only the one, and only the other, of two runs gets right."""


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
    def called(self) -> Message:
        """What it is called in a sentence: two runs may have one name."""
        return message("comparison.run", name=_isolated(run_name(self._named)), job_id=self.job_id)

    @property
    def _named(self) -> Mapping[str, Any]:
        return {"name": self.name, "spec": self.spec}

    @property
    def tested_on(self) -> tuple[str, int]:
        """What tells its test set from others: the dataset, and how many images."""
        return str(self.spec.get("dataset")), (self.content or {}).get("count", 0)

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
    def called(self) -> Message:
        """What it is called in a sentence."""
        first, *others = self.members
        if not others:
            return first.called
        name = _isolated(name_without_seed([each.name for each in self.members]))
        return message("comparison.group", name=name, job_id=first.job_id, others=len(others))

    @property
    def is_single(self) -> bool:
        """Whether it is one seed."""
        return len(self.accuracies) == 1

    @property
    def accuracies(self) -> Sequence[float]:
        """One for each seed: a run that was made again with the same one is the same run."""
        of_seeds = {
            each.spec.get(SEED): each.accuracy
            for each in reversed(self.members)
            if each.accuracy is not None
        }
        return list(of_seeds.values())

    @property
    def mean(self) -> float:
        """Of the accuracies, of which there must be some."""
        return fmean(self.accuracies)

    @property
    def interval(self) -> Interval | None:
        """Where the mean over all seeds lies; None with fewer than two."""
        if len(self.accuracies) < 2:
            return None
        found = statistics.mean_interval(self.accuracies)
        return Interval(max(0.0, found.low), min(1.0, found.high))


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which runs differ, with the value of each."""

    title: str
    values: Sequence[str]


def _isolated(name: str) -> str:
    """A name that cannot turn the sentence around it: in a first-strong isolate of Unicode."""
    return f"\u2068{visible(name)}\u2069"


def differences(specs: Sequence[Spec]) -> list[Difference]:
    """The fields that have not the same value everywhere, in the order of the form."""
    columns = [_described(spec) for spec in specs]
    titles = dict.fromkeys(title for column in columns for title in column)
    rows = [Difference(title, [each.get(title, "") for each in columns]) for title in titles]
    return [row for row in rows if len(set(row.values)) > 1]


def _described(spec: Spec) -> dict[str, str]:
    whole, found = _whole(spec), {}
    for section in sections():
        part = section.part(whole)
        variant = section.variant(part.get(KIND))
        if section.has_kinds:
            found[section.title] = variant.title if variant else str(part.get(KIND))
        for each in variant.fields if variant else ():
            if each.key in part:
                title = gettext("%(section)s: %(title)s", section=section.title, title=each.title)
                found[title] = each.label(part[each.key])
    return found


def _whole(spec: Spec) -> Spec:
    """A stored spec with the fields that came after it."""
    return merge(_DEFAULTS, spec)


def groups(contestants: Sequence[Contestant]) -> list[Group]:
    """Runs that differ by their seeds alone, together, in the order in which they come first."""

    def key(each: Contestant) -> str:
        return json.dumps({**_whole(each.spec), SEED: None}, sort_keys=True)

    first: dict[str, int] = {}
    for place, each in enumerate(contestants):
        first.setdefault(key(each), place)
    ordered = sorted(contestants, key=lambda each: first[key(each)])
    return [Group(list(members)) for _, members in groupby(ordered, key)]


def verdicts(contestants: Sequence[Contestant]) -> list[Message]:
    """What can be said about which run is better, in sentences."""
    measured = [each for each in contestants if each.accuracy is not None and each.content]
    repeated = _repeated(measured)
    copies = {each.job_id for _, *others in repeated for each in others}
    by_images: dict[tuple[str, int], list[Contestant]] = {}
    for each in (each for each in measured if each.job_id not in copies):
        by_images.setdefault(each.tested_on, []).append(each)
    sentences = [sentence for part in by_images.values() for sentence in _of_one_test_set(part)]
    sentences += [_identical(same) for same in repeated]
    if len(by_images) > 1:
        sentences.append(message("comparison.other_datasets"))
    is_chosen_by_test = not any(each.spec.get("data", {}).get("validation") for each in measured)
    if is_chosen_by_test and any(len(part) > 1 for part in by_images.values()):
        sentences.append(message("comparison.chosen_by_test", count=len(measured)))
    return sentences


def _repeated(measured: Sequence[Contestant]) -> list[list[Contestant]]:
    """Runs that were asked for the same and came to the same: together they are one run."""
    by_all: dict[str, list[Contestant]] = {}
    for each in measured:
        content = each.content or {}
        came_to = each.accuracy, content.get("loss"), content.get("predictions")
        key = json.dumps([_whole(each.spec), came_to], sort_keys=True)
        by_all.setdefault(key, []).append(each)
    return [same for same in by_all.values() if len(same) > 1]


def _identical(same: Sequence[Contestant]) -> Message:
    return message("comparison.identical", runs=", ".join(f"#{each.job_id}" for each in same))


def summary(sentences: Sequence[Message]) -> Message | None:
    """What several verdicts come to; None where one or two say it themselves."""
    pairs = [each for each in sentences if is_of_a_pair(each)]
    if len(pairs) < FEWEST_SUMMED_UP:
        return None
    better = sum(each.code in _BETTER for each in pairs)
    untold = sum(each.code == _UNTOLD for each in pairs)
    if better:
        return message("comparison.some_better", better=better, count=len(pairs))
    if untold:
        return message("comparison.none_told", untold=untold, count=len(pairs))
    return message("comparison.none_better")


def is_of_a_pair(verdict: Message) -> bool:
    """Whether it is about two runs, or two groups; others are about all of them."""
    return verdict.code in (*_BETTER, *_NOT_BETTER)


def _of_one_test_set(compared: Sequence[Contestant]) -> list[Message]:
    by_seeds = groups(compared)
    if any(len(group.accuracies) > 1 for group in by_seeds):
        return _of_seeds(by_seeds) if len(by_seeds) > 1 else [_alone(by_seeds[0])]
    return _of_runs(compared)


def _alone(group: Group) -> Message:
    """What is said of seeds that no other group stands beside."""
    return message(
        "comparison.one_group",
        group=group.called,
        mean=group.mean,
        std=stdev(group.accuracies),
        seeds=message("comparison.seed_count", count=len(group.accuracies)),
    )


def _of_seeds(compared: Sequence[Group]) -> list[Message]:
    """What is said of groups: by their seeds, and of two single runs image by image."""
    pairs = list(_pairs(compared, lambda group: group.mean))
    count = math.comb(len(compared), 2)
    splits = [_split_of_single(*pair) for pair in pairs]
    chances = [_chance(*pair, split, count) for pair, split in zip(pairs, splits, strict=True)]
    raised = iter(statistics.holm([each for each in chances if each is not None], count))
    return [
        _of_pair(*pair, split, None if chance is None else next(raised), count)
        for pair, split, chance in zip(pairs, splits, chances, strict=True)
    ]


def _split_of_single(one: Group, other: Group) -> Split | None:
    are_single = one.is_single and other.is_single
    return _split(one.members[0], other.members[0]) if are_single else None


def _chance(one: Group, other: Group, split: Split | None, count: int) -> float | None:
    """The chance of such a difference; None where it cannot be told from what there is."""
    if split is not None:
        return statistics.mcnemar(*split)
    if (one.is_single and other.is_single) or not _can_be_told(one, other, count):
        return None
    return statistics.permutation(one.accuracies, other.accuracies)


def _of_pair(
    better: Group, worse: Group, split: Split | None, chance: float | None, count: int
) -> Message:
    if better.is_single and worse.is_single:
        return _of_two(better.members[0], worse.members[0], split, chance, count)
    return _by_seeds(better, worse, chance, count)


def _can_be_told(one: Group, other: Group, count: int) -> bool:
    """Whether groups of these sizes can lie so far apart that it is more than chance."""
    least = statistics.least_permutation(len(one.accuracies), len(other.accuracies))
    return count * least < LEVEL


def _needed(count: int) -> int:
    """How many seeds of each group a difference can be told by."""
    seeds = 2
    while count * statistics.least_permutation(seeds, seeds) >= LEVEL:
        seeds += 1
    return seeds


def _by_seeds(better: Group, worse: Group, chance: float | None, count: int) -> Message:
    facts: dict[str, Any] = {
        "better": better.called,
        "worse": worse.called,
        "better_accuracy": better.mean,
        "worse_accuracy": worse.mean,
        "better_seeds": message("comparison.seed_count", count=len(better.accuracies)),
        "worse_seeds": message("comparison.seed_count", count=len(worse.accuracies)),
    }
    if chance is None:
        return message("comparison.few_seeds", **facts, needed=_needed(count))
    code = "comparison.seeds" if chance < LEVEL else "comparison.seeds_noise"
    return message(code, **facts, chance=chance, corrected=_corrected(count))


def _of_runs(compared: Sequence[Contestant]) -> list[Message]:
    pairs = list(_pairs(compared, lambda each: each.accuracy or 0))
    count = math.comb(len(compared), 2)
    splits = [_split(better, worse) for better, worse in pairs]
    tested = [split for split in splits if split is not None]
    raised = iter(statistics.holm([statistics.mcnemar(*split) for split in tested], count))
    return [
        _of_two(better, worse, split, None if split is None else next(raised), count)
        for (better, worse), split in zip(pairs, splits, strict=True)
    ]


def _of_two(
    better: Contestant, worse: Contestant, split: Split | None, chance: float | None, count: int
) -> Message:
    if split is None or chance is None:
        return _by_intervals(better, worse)
    return _image_by_image(better, worse, split, chance, _corrected(count))


def _corrected(count: int) -> Message | None:
    """What is said of a chance that is one of several."""
    return message("comparison.corrected", count=count) if count > 1 else None


def _pairs(compared: Sequence[Any], accuracy: Callable[[Any], float]) -> Iterable[tuple[Any, Any]]:
    """Pairs of a better one and a worse one, the best first.

    Which one is the best is seen in what is compared. So all pairs count, also those not made.
    """
    ordered = sorted(compared, key=accuracy, reverse=True)
    if len(ordered) <= ALL_PAIRS:
        return combinations(ordered, 2)
    return ((ordered[0], each) for each in ordered[1:])


def _split(better: Contestant, worse: Contestant) -> Split | None:
    """The images that only the one, and only the other, gets right; None: not known."""
    packed = [(each.content or {}).get("predictions") for each in (better, worse)]
    if not all(packed):
        return None
    labels, labels_of_worse = (_labels(each) for each in (better, worse))
    if labels != labels_of_worse:
        return None
    first, second = (predictions.unpack(str(text)) for text in packed)
    only_better = only_worse = 0
    for label, one, other in zip(labels, first, second, strict=True):
        if one != other:
            only_better += one == label
            only_worse += other == label
    return only_better, only_worse


def _labels(each: Contestant) -> Sequence[int]:
    return predictions.unpack((each.content or {})["labels"])


def only_wrong(one: Contestant, other: Contestant, most: int) -> list[Mistake]:
    """Images that `one` gets wrong and `other` right, of those whose pictures were kept.

    The most confident errors come first. Empty where it is not known what `other` took them for.
    """
    if _split(one, other) is None:
        return []
    content = one.content or {}
    taken_for = predictions.unpack((other.content or {})["predictions"])
    found = [each for each in content["mistakes"] if taken_for[each["index"]] == each["label"]]
    return mistakes(content, found[:most])


def _image_by_image(
    better: Contestant,
    worse: Contestant,
    split: Split,
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
