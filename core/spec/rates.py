"""The learning rate over a run: its factor as a function of the step.

A trainer sets it before each step, and the form of a new run draws it: both by this one formula.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.spec.hyperparameters import Constant, Cosine, OneCycle, Plateau, Schedule, Step

# a one-cycle schedule begins at a 25th of its learning rate and ends at a 10,000th of that, as
# Smith and Topin's and torch's do
_FIRST = 1 / 25
_LAST = _FIRST / 1e4


@dataclass(frozen=True, slots=True)
class Span:
    """The length of a run that does not stop early."""

    steps: int
    """Steps in all."""
    batches: int
    """Steps in an epoch."""


def factor(choice: Schedule, span: Span, step: int, reductions: int = 0) -> float:
    """The factor that the learning rate is multiplied by for one step.

    One-cycle is that of Smith and Topin (2017), cosine that of Loshchilov and Hutter (2016) without
    restarts. All but one-cycle begin with a linear warm-up.

    Args:
        choice: the schedule.
        span: how long the run is.
        step: steps done before; 0 for the first.
        reductions: how often a plateau was found before.
    """
    warmup = choice.warmup * span.steps
    if isinstance(choice, OneCycle):
        return _one_cycle(choice, warmup, span.steps, step)
    if step < warmup:
        return (step + 1) / (math.ceil(warmup) + 1)
    match choice:
        case Constant():
            return 1.0
        case Step():
            return float(choice.factor ** (step // span.batches // choice.every))
        case Cosine():
            left = (step - warmup) / max(1.0, span.steps - warmup)
            return choice.floor + (1 - choice.floor) * (1 + math.cos(math.pi * left)) / 2
        case Plateau():
            return float(choice.factor**reductions)


def sampled(choice: Schedule, span: Span, most: int) -> Sequence[tuple[int, float]]:
    """Steps of a whole run with their factors: every one, or about `most` of them, with both ends.

    Each step down is there with the step before it, so that it is drawn as a step.
    """
    places = {round(place * (span.steps - 1) / (most - 1)) for place in range(most)}
    if isinstance(choice, Step):
        edges = range(choice.every * span.batches, span.steps, choice.every * span.batches)
        places |= {step - before for step in edges for before in (0, 1)}
    warmup = choice.warmup * span.steps
    top = max(0.0, warmup - 1) if isinstance(choice, OneCycle) else math.ceil(warmup)
    places.add(min(span.steps - 1, round(top)))
    return [(step, factor(choice, span, step)) for step in sorted(places)]


def _one_cycle(choice: OneCycle, warmup: float, steps: int, step: int) -> float:
    # the peak lies within the run also where it is a step or two long
    peak = max(0.0, warmup - 1)
    if step <= peak:
        return _between(choice, _FIRST, 1.0, step / peak if peak else 1.0)
    return _between(choice, 1.0, _LAST, (step - peak) / max(1.0, steps - 1 - peak))


def _between(choice: OneCycle, begin: float, end: float, done: float) -> float:
    if choice.shape == "linear":
        return begin + (end - begin) * done
    return end + (begin - end) * (1 + math.cos(math.pi * done)) / 2
