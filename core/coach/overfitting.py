"""The rule on learning by heart: other images get worse while the training images get better."""

from __future__ import annotations

from typing import Any

from core.coach import evidence, trends
from core.coach.advice import Advice, advice
from core.coach.run import ENDED_WELL, Run
from core.datasets.builtin import DATASETS

FEWEST_EPOCHS = 6
FEWEST_SINCE = 3
"""Epochs since the best: fewer may be noise."""
RISE = 1.12
"""Times the least loss, on average over the last part of the run."""
WORTH_IT = 0.012
"""Of the loss of guessing: a rise by less is seen in no accuracy."""
ALWAYS = 1.03
"""Times the least loss, in each of the last epochs: one that comes back is noise."""
FALL = 0.6
"""Times the train loss of the best epoch: the train loss has fallen below it since."""

WEIGHT_DECAY = {"adamw": 0.05}
USUAL_WEIGHT_DECAY = 0.0005
PATIENCE = 5
SPLIT = 0.1
SMALL_IMAGES = 16
"""Pixels: smaller images are shifted by one pixel at most."""
AUGMENTATIONS = {"fashion_mnist": "clothes", "cifar10": "photos"}
"""By dataset; of all others: that for handwriting."""


def overfitting(run: Run) -> Advice | None:
    """The loss on other images rises while the train loss falls."""
    watched, train = run.watched_loss, run.epochs.train_loss
    if run.state != ENDED_WELL or len(watched) < FEWEST_EPOCHS:
        return None
    best = trends.place_of_least(watched)
    tail = trends.last_part(watched, 1 / 4)
    mean = trends.mean_of_last(watched, 1 / 4)
    least = watched[best]
    has_risen = mean >= RISE * least and mean - least >= WORTH_IT * run.chance_loss
    is_lasting = len(watched) - 1 - best >= FEWEST_SINCE and min(tail) >= ALWAYS * least
    if not has_risen or not is_lasting or train[-1] > FALL * train[best]:
        return None
    variant, params, changes = _remedy(run)
    return advice(
        "overfitting",
        evidence.of_epochs(run, best),
        {"epoch": run.epochs.epoch[best], "least": least, "last": watched[-1],
         "train_before": train[best], "train_last": train[-1]},
        params,
        changes,
        variant=variant,
    )  # fmt: skip


def _remedy(run: Run) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The first remedy that the spec lacks: which sentence, its parameters, the changes."""
    spec = run.spec
    optimizer = spec["optimizer"]
    if spec["augmentation"]["kind"] == "none":
        return _augmentation(spec["dataset"])
    if not optimizer.get("weight_decay"):
        decay = WEIGHT_DECAY.get(optimizer["kind"], USUAL_WEIGHT_DECAY)
        return "weight_decay", {"decay": decay}, {"optimizer.weight_decay": decay}
    if spec["stopping"]["patience"] is None:
        changes: dict[str, Any] = {"stopping.patience": PATIENCE, "publishing.weights": "best"}
        if not run.is_validated:
            changes["data.validation"] = SPLIT
        return "patience", {"patience": PATIENCE}, changes
    return "more_images", {}, {}


def _augmentation(dataset: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    kind = AUGMENTATIONS.get(dataset, "handwriting")
    changes: dict[str, Any] = {"augmentation.kind": kind}
    if kind == "handwriting" and DATASETS[dataset].size < SMALL_IMAGES:
        changes["augmentation.shift"] = 1
    return "augmentation", {"kind": kind}, changes
