"""The coach: what is to be said about a run, the most important first.

The rules on training are asked in order, and the first that speaks is the only one of them: what
follows from a learning rate that is wrong is no second problem. The rule on the data is independent
of these; that on noise speaks where nothing else is wrong with the training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from core.coach.advice import Advice
from core.coach.labels import labels
from core.coach.lengths import batch_too_large, saturated, schedule_ended, still_improving
from core.coach.noise import noise
from core.coach.overfitting import overfitting
from core.coach.rates import better_rate, diverged, guessing, not_learning, too_slow, unstable
from core.coach.run import Run
from core.datasets.builtin import DATASETS
from core.errors import InvalidInput
from core.spec.spec import merge, nest, parse

Rule = Callable[[Run], Advice | None]

OF_TRAINING: tuple[Rule, ...] = (
    diverged,
    not_learning,
    guessing,
    unstable,
    better_rate,
    batch_too_large,
    too_slow,
    schedule_ended,
    overfitting,
    still_improving,
    saturated,
)
WHILE_RUNNING: tuple[Rule, ...] = (not_learning,)
"""Of which a run may be told before it is over."""

RUNNING = "running"
ENDED = ("succeeded", "failed")


def advise(run: Run) -> list[Advice]:
    """What is to be said about a run; nothing where nothing is sure."""
    if run.spec["dataset"] not in DATASETS:  # of another release: what is usual is not known
        return []
    if run.state == RUNNING:
        return _checked(run, [_first(run, WHILE_RUNNING)])
    if run.state not in ENDED:
        return []
    of_training = _first(run, OF_TRAINING)
    return _checked(run, [of_training, labels(run), None if of_training else noise(run)])


def _first(run: Run, rules: tuple[Rule, ...]) -> Advice | None:
    return next((found for rule in rules if (found := rule(run)) is not None), None)


def _checked(run: Run, found: list[Advice | None]) -> list[Advice]:
    """The advices that there are; a clone that no worker would take is not offered."""
    there = [each for each in found if each is not None]
    return [each if _can_be_cloned(run, each) else replace(each, changes={}) for each in there]


def _can_be_cloned(run: Run, found: Advice) -> bool:
    try:
        parse(merge(run.spec, nest(found.changes)))
    except InvalidInput:
        return False
    return True
