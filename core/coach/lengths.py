"""Rules on how long a run is: too short, too long, too long at a rate of nothing, in few steps."""

from __future__ import annotations

import math
from typing import Any

from core.coach import evidence, trends
from core.coach.advice import Advice, advice
from core.coach.run import Run

FEWEST_EPOCHS = 3
LEFT = 0.3
"""Of the highest rate, at the end: below it the schedule has brought the run to rest, and what
falls there falls because of it."""
FALLING = 0.05
"""Of the loss on other images, from the last part of a run to the one before: a fall by less may
be noise."""
WORTH_IT = 0.01
"""Of the loss of guessing: the least fall that a longer run is worth."""
LONGEST = 1000
"""Epochs that a spec may have."""

ENOUGH_TO_SATURATE = 20
"""Epochs below which nobody is told to train for fewer."""
EARLY = 0.3
"""Of a run: an accuracy that was reached before and not exceeded since was reached early."""
STOOD_STILL = 0.02
"""Of the loss of guessing: while the loss still falls by more, confidence at least is gained."""
ANNEALING = ("cosine", "one_cycle")
"""Schedules that fall over the whole run: their last epochs are what they are for."""

AT_REST = 0.05
"""Of the highest rate: with less of it nothing moves any more."""
EARLY_REST = 0.7
"""Of a run: a rate at rest before has wasted what follows."""
UNFINISHED = 0.06
"""Of the loss of guessing: a train loss above it could have fallen further."""
FROZEN = 0.9
"""Of the train loss when the rate came to rest: above it the rest of the run moved nothing."""
WAS_FALLING = 0.02
"""Of the loss of guessing: by so much the train loss must have fallen until then."""

FEW_STEPS = 5
"""In an epoch: the tutorial's run takes 938."""
ENOUGH_STEPS = 24
"""In an epoch of the corrected clone, about."""
SMALLEST_BATCH = 8
UNFITTED = 0.05
"""Of the loss of guessing: below it few steps were enough after all."""


def batch_too_large(run: Run) -> Advice | None:
    """An epoch has a handful of steps, and they were not enough."""
    losses = run.epochs.train_loss
    if not run.is_over or len(losses) < FEWEST_EPOCHS or not 0 < run.batches <= FEW_STEPS:
        return None
    if run.fit_loss[-1] < UNFITTED * run.chance_loss:
        return None
    before = run.spec["batch_size"]
    size = max(SMALLEST_BATCH, 2 ** round(math.log2(before * run.batches / ENOUGH_STEPS)))
    steps = run.batches * len(losses)
    return advice(
        "batch_too_large",
        evidence.of_epochs(run, 0),
        {"batches": run.batches, "steps": steps, "last": losses[-1]},
        {"size": size, "before": before},
        {"batch_size": size} if size < before else {},
    )


def schedule_ended(run: Run) -> Advice | None:
    """The schedule brought the rate to nothing while the loss was still high."""
    losses, rates = run.epochs.train_loss, run.epochs.learning_rate
    if not run.is_over or len(losses) < FEWEST_EPOCHS or run.spec["schedule"]["kind"] in ANNEALING:
        return None
    most = max(rates)
    at_rest = [place for place, rate in enumerate(rates) if rate <= AT_REST * most]
    if not at_rest or not 0 < at_rest[0] <= EARLY_REST * len(rates):
        return None
    place = at_rest[0]
    has_fallen = losses[0] - losses[place] >= WAS_FALLING * run.chance_loss
    is_frozen = trends.mean_of_last(losses, 1 / 4) >= FROZEN * losses[place]
    if not has_fallen or not is_frozen or run.fit_loss[-1] < UNFINISHED * run.chance_loss:
        return None
    changes = _slower_schedule(run)
    return advice(
        "schedule_ended",
        evidence.of_epochs(run, place, with_rate=True),
        {"epoch": run.epochs.epoch[place], "rate": rates[place], "most": most, "last": losses[-1]},
        {"epochs": changes["schedule.every"]} if "schedule.every" in changes else {},
        changes,
        variant="step" if "schedule.every" in changes else "cosine",
    )


def _slower_schedule(run: Run) -> dict[str, Any]:
    """Steps so long that there are three in the run, or a wave over all of it."""
    schedule = run.spec["schedule"]
    every = -(-len(run.epochs) // 3)
    if schedule["kind"] == "step" and every > schedule["every"]:
        return {"schedule.every": every}
    return {"schedule.kind": "cosine"}


def still_improving(run: Run) -> Advice | None:
    """The loss on images that it does not learn from still falls when the run ends."""
    losses, rates = run.watched_loss, run.epochs.learning_rate
    if not run.is_over or len(losses) < FEWEST_EPOCHS or rates[-1] < LEFT * max(rates):
        return None
    part = max(1, len(losses) // 4)
    before = sum(losses[-2 * part : -part]) / part
    last = sum(losses[-part:]) / part
    fall = before - last
    if fall < FALLING * before or fall < WORTH_IT * run.chance_loss or losses[-1] > before:
        return None
    epochs = min(LONGEST, 2 * len(losses))
    return advice(
        "still_improving",
        evidence.of_epochs(run, len(losses) - 2 * part),
        {"epochs": part, "before": before, "last": last},
        {"epochs": epochs},
        {"epochs": epochs} if epochs > run.spec["epochs"] else {},
    )


def saturated(run: Run) -> Advice | None:
    """Most of a long run changed nothing that can be measured."""
    accuracy, losses = run.watched_accuracy, run.watched_loss
    count = len(accuracy)
    if not run.is_over or count < ENOUGH_TO_SATURATE or run.spec["schedule"]["kind"] in ANNEALING:
        return None
    final = trends.mean_of_last(accuracy, 1 / 3)  # the best of many epochs would be a lucky one
    spread = math.sqrt(final * (1 - final) / run.watched_images)
    final_loss = trends.mean_of_last(losses, 1 / 3)
    place = max(
        trends.first_at_least(accuracy, final - spread),
        trends.first_at_most(losses, final_loss + STOOD_STILL * run.chance_loss),
    )
    if place >= EARLY * count:
        return None
    return advice(
        "saturated",
        evidence.of_epochs(run, place, names=(_accuracy(run),)),
        {
            "epoch": run.epochs.epoch[place],
            "epochs": count,
            "then": accuracy[place],
            "final": final,
        },
        *_shorter(run, place + 1),
        variant="patience" if run.is_validated else "",
    )


def _shorter(run: Run, reached: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of what to do, and the changes: to stop by itself, or to be shorter."""
    if run.is_validated:
        patience = max(5, reached)
        return {"patience": patience}, {"stopping.patience": patience}
    epochs = 2 * reached + 2  # another seed may need longer
    return {"epochs": epochs}, {"epochs": epochs}


def _accuracy(run: Run) -> str:
    return "validation_accuracy" if run.is_validated else "test_accuracy"
