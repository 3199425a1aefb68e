"""The rule on differences that are none: between a run and the one most like it, or two epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core import predictions, statistics
from core.coach import evidence
from core.coach.advice import Advice, Intervals, advice
from core.coach.likeness import differences, most_alike
from core.coach.run import Run, Sibling
from core.statistics import LEVEL

ENOUGH_REPEATS = 2
"""Other seeds: whoever has trained them needs no advice to do so."""


def noise(run: Run) -> Advice | None:
    """A difference that the test images, or the validation images, are too few to show."""
    return _to_sibling(run) or _between_epochs(run)


def _to_sibling(run: Run) -> Advice | None:
    if run.evaluation is None or run.repeats >= ENOUGH_REPEATS:
        return None
    sibling = _closest(run)
    if sibling is None or not _may_be_chance(run.evaluation, sibling.evaluation):
        return None
    bars = [
        evidence.bar(job_id, None, each["accuracy"], each["count"])
        for job_id, each in ((run.job_id, run.evaluation), (sibling.job_id, sibling.evaluation))
    ]
    fields = sorted(differences(run.spec, sibling.spec))
    return advice(
        "noise",
        Intervals(bars),
        {"accuracy": bars[0].accuracy, "other": bars[1].accuracy, "job_id": sibling.job_id,
         "fields": fields, "images": run.evaluation["count"]},
        {"seed": run.spec["seed"] + 1},
        {"seed": run.spec["seed"] + 1},
    )  # fmt: skip


def _closest(run: Run) -> Sibling | None:
    by_number = {each.job_id: each for each in run.siblings if _is_comparable(run, each)}
    specs = {number: each.spec for number, each in by_number.items()}
    return next((by_number[number] for number in most_alike(run.spec, specs)), None)


def _is_comparable(run: Run, other: Sibling) -> bool:
    return run.evaluation is not None and run.evaluation["count"] == other.evaluation["count"]


def _may_be_chance(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether chance explains that their accuracies differ: by their images, else intervals."""
    if one["accuracy"] == other["accuracy"]:
        return False
    mine, theirs = (
        statistics.share_interval(round(each["accuracy"] * each["count"]), each["count"])
        for each in (one, other)
    )
    if mine.low > theirs.high or theirs.low > mine.high:
        return False
    split = _split(one, other)
    return split is None or statistics.mcnemar(*split) >= LEVEL


def _split(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[int, int] | None:
    """The images that only the one, and only the other, gets right; None: it was not kept."""
    if not one.get("predictions") or one.get("labels") != other.get("labels"):
        return None
    rows = list(
        zip(
            predictions.unpack(one["labels"]),
            predictions.unpack(one["predictions"]),
            predictions.unpack(other["predictions"]),
            strict=True,
        )
    )
    only_one = sum(mine == label != theirs for label, mine, theirs in rows)
    only_other = sum(theirs == label != mine for label, mine, theirs in rows)
    return only_one, only_other


def _between_epochs(run: Run) -> Advice | None:
    """The epoch that was chosen for its validation loss, against the last."""
    epochs, accuracies = list(run.epochs.epoch), run.watched_accuracy
    chosen = run.published_epoch
    if not run.is_validated or chosen not in epochs or chosen == epochs[-1]:
        return None
    best, last = accuracies[epochs.index(chosen)], accuracies[-1]
    bars = [
        evidence.bar(run.job_id, epoch, accuracy, run.watched_images)
        for epoch, accuracy in ((chosen, best), (epochs[-1], last))
    ]
    if best <= last or bars[0].low > bars[1].high:
        return None
    share = min(2 * run.spec["data"]["validation"], 0.3)
    changes = {"data.validation": share} if share > run.spec["data"]["validation"] else {}
    return advice(
        "noise_of_epochs",
        Intervals(bars),
        {"epoch": chosen, "accuracy": best, "last_epoch": epochs[-1], "last": last,
         "images": run.watched_images},
        {"share": share},
        changes,
    )  # fmt: skip
