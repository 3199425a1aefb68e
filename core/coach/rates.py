"""Rules on the learning rate: none is learned by, too small, too large.

Which way to turn it is often told the wrong way round: a loss that jumps asks for a smaller rate,
one that creeps for a larger one. `docs/explanation/coach.md` says why.
"""

from __future__ import annotations

from typing import Any

from core.coach import evidence, trends
from core.coach.advice import Advice, Curves, advice
from core.coach.run import Run

USUAL_RATES = {"sgd": 0.3, "adam": 0.002, "adamw": 0.004, "rmsprop": 0.001, "muon": 0.02}
"""Where each optimizer usually learns small image networks well, without momentum: the middle of
what papers and the presets here use, good for the order of magnitude alone."""
FAR_BELOW, FAR_ABOVE = 1 / 8, 4.0
"""Times the usual rate: outside of these the rate itself is a reason to suspect it."""
FARTHER_BELOW = FAR_BELOW / 4

FEWEST_EPOCHS = 3
"""Of fewer no trend can be seen."""
ENOUGH_WHILE_RUNNING = 5
"""Epochs after which a run that is not over may be told that it does not learn."""

AT_CHANCE = 0.985
"""Of the loss of guessing: whoever is above it at the end has learned next to nothing."""
GUESSES = 2.5
"""Times the accuracy of guessing: what luck and an uneven test set can give."""
JUMP = 0.06
"""Of the loss of guessing: a train loss that rises by more from one epoch to the next is no noise,
for each is the mean over all images."""
ABOVE_CHANCE = 1.15
"""Times the loss of guessing: a mean over an epoch above it is worse than saying nothing, and only
steps that are too long lead there."""
STUCK = 0.3
"""Of the loss of guessing: a train loss that has had such a jump and is still above this has not
recovered from it."""
STRAIGHT, LESS_STRAIGHT = 0.25, 0.15
"""Of the whole fall, in the second half: a rate that fits makes most of it in the first. At a rate
that is still farther below the usual one, less has to be seen."""
MOSTLY = 0.8
"""Share of the epochs that a creeping loss falls in: one that is too slow is smooth."""
STILL_HIGH = 0.15
"""Of the loss of guessing: below it there is little left to be slow about."""


def diverged(run: Run) -> Advice | None:
    """The loss became NaN or infinite."""
    if run.error_kind != "diverged":
        return None
    rate = trends.tidy(run.rate / 10)
    return advice(
        "diverged",
        evidence.of_samples(run) if run.samples.step else Curves("step", [], 0, 0),
        {"rate": run.rate},
        {"rate": rate},
        _at_rate(run, rate),
    )


def not_learning(run: Run) -> Advice | None:
    """The loss stays where guessing is, at a rate that is far off to one side."""
    if not _has_enough(run) or _best(run) > GUESSES / run.classes:
        return None
    losses, chance = run.epochs.train_loss, run.chance_loss
    if min(trends.last_part(losses, 1 / 2)) < AT_CHANCE * chance:
        return None
    direction = _direction(run)
    if direction == 0:
        return None
    rate = trends.tidy(run.rate * (30 if direction > 0 else 1 / 10))
    return advice(
        "not_learning",
        evidence.of_epochs(run, 0, level=chance),
        {"loss": losses[-1], "chance": chance, "classes": run.classes, "epochs": len(losses)},
        {"rate": rate, "before": run.rate},
        _at_rate(run, rate),
        variant="raise" if direction > 0 else "lower",
    )


def _direction(run: Run) -> int:
    """1 where the rate is far too small, -1 where it is far too large, 0 where it cannot be told.

    A network that was thrown back to guessing, or never could begin, was pushed too hard; one that
    did not move was not pushed at all. The rate itself must agree.
    """
    times = _times_usual(run)
    if times >= FAR_ABOVE:
        return -1
    was_thrown = max([*run.epochs.train_loss, *run.samples.train_loss]) > 2 * run.chance_loss
    if times <= FAR_BELOW and not was_thrown:
        return 1
    return 0


def unstable(run: Run) -> Advice | None:
    """The train loss jumps up, or stands above that of guessing."""
    losses, chance = run.epochs.train_loss, run.chance_loss
    if len(losses) < FEWEST_EPOCHS:
        return None
    rise, most = trends.largest_rise(losses), max(losses)
    is_thrown = most > ABOVE_CHANCE * chance
    is_jumping = rise >= JUMP * chance and not run.is_mixed and not _is_calm(run)
    if not is_thrown and not is_jumping:
        return None
    rate = trends.tidy(run.rate / (10 if _times_usual(run) > 30 else 3))
    places = [place for place in range(1, len(losses)) if losses[place] > losses[place - 1]]
    return advice(
        "unstable",
        evidence.of_epochs(run, max(0, min(places, default=1) - 1), level=chance),
        {"least": min(losses), "most": most, "rise": rise, "last": losses[-1]},
        {"rate": rate, "before": run.rate},
        _at_rate(run, rate),
    )


def _is_calm(run: Run) -> bool:
    """Whether a loss that jumped has come down for good: the rate has been lowered since."""
    return trends.mean_of_last(run.epochs.train_loss, 1 / 4) < STUCK / 10 * run.chance_loss


def too_slow(run: Run) -> Advice | None:
    """The loss creeps down in a straight line, at a rate far below what is usual."""
    losses, chance = run.epochs.train_loss, run.chance_loss
    if not run.is_over or len(losses) < FEWEST_EPOCHS or _times_usual(run) > FAR_BELOW:
        return None
    straight = STRAIGHT if _times_usual(run) > FARTHER_BELOW else LESS_STRAIGHT
    is_creeping = trends.straightness(losses) >= straight and trends.falls(losses) >= MOSTLY
    if not is_creeping or run.fit_loss[-1] < STILL_HIGH * chance:
        return None
    rate = trends.tidy(run.rate * (10 if _times_usual(run) < FARTHER_BELOW else 5))
    return advice(
        "too_slow",
        evidence.of_epochs(run, 0),
        {"first": losses[0], "last": losses[-1], "share": trends.straightness(losses)},
        {"rate": rate, "before": run.rate},
        _at_rate(run, rate),
    )


def _has_enough(run: Run) -> bool:
    count = len(run.epochs)
    return count >= (FEWEST_EPOCHS if run.is_over else ENOUGH_WHILE_RUNNING)


def _best(run: Run) -> float:
    return max(run.epochs.test_accuracy)


def _times_usual(run: Run) -> float:
    """How many times the usual rate the rate is. Momentum m makes a step 1 / (1 - m) as long."""
    optimizer = run.spec["optimizer"]
    kind = optimizer["kind"]
    momentum = optimizer.get("momentum", 0.0) if kind in ("sgd", "rmsprop") else 0.0
    return float(run.rate / (1 - momentum) / USUAL_RATES[kind])


def _at_rate(run: Run, rate: float) -> dict[str, Any]:
    """A clone at another rate; both rates of Muon move together."""
    changes = {"optimizer.learning_rate": rate}
    other = run.spec["optimizer"].get("adamw_learning_rate")
    if other:
        changes["optimizer.adamw_learning_rate"] = trends.tidy(other * rate / run.rate)
    return changes
