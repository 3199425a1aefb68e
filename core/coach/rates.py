"""Rules on the learning rate: none is learned by, too small, too large, worse than another.

Which way to turn it is often told the wrong way round: a loss that jumps asks for a smaller rate,
one that creeps for a larger one. `docs/explanation/coach.md` says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.coach import evidence, trends
from core.coach.advice import Advice, Curves, Intervals, advice
from core.coach.likeness import differences
from core.coach.run import Earlier, Run

USUAL_RATES = {"sgd": 0.3, "adam": 0.002, "adamw": 0.004, "rmsprop": 0.001, "muon": 0.02}
"""Where each optimizer usually learns small image networks well, without momentum: the middle of
what papers and the presets here use, good for the order of magnitude alone."""
FAR_BELOW, FAR_ABOVE = 1 / 8, 4.0
"""Times the usual rate: outside of these the rate itself is a reason to suspect it."""
FARTHER_BELOW = FAR_BELOW / 4

HARDLY_ANY = (1 / 1000, 20.0)
"""Times the usual rate: outside of these hardly any network learns, which a form can say before."""

FEWEST_EPOCHS = 3
"""Of fewer no trend can be seen."""
ENOUGH_WHILE_RUNNING = 5
"""Epochs after which a run that is not over may be told that it does not learn."""

LONGEST = 1000
"""Epochs that a spec may have."""
FEW_STEPS = 60
"""In a whole run: a network that made fewer may have had no time to learn."""
ENOUGH_STEPS = 200
"""In the corrected clone of such a run, about."""
DOES_WELL = 5.0
"""Times the accuracy of guessing: a rate with which an earlier run reached as much is known to
work."""
RATE = "optimizer.learning_rate"
RATES = {RATE, "optimizer.adamw_learning_rate"}
"""What a clone at another rate changes."""

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


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be changed: the parameters of the sentence, the changes, and which sentence."""

    action: Mapping[str, Any]
    changes: Mapping[str, Any]
    variant: str


def diverged(run: Run) -> Advice | None:
    """The loss became NaN or infinite."""
    if run.error_kind != "diverged":
        return None
    turn = _lowered(run)
    return advice(
        "diverged",
        evidence.of_samples(run) if run.samples.step else Curves("step", [], 0, 0),
        {"rate": run.rate},
        {name: value for name, value in turn.action.items() if name != "before"},
        turn.changes,
        variant=turn.variant,
    )


def is_guessing(accuracy: float, classes: int) -> bool:
    """Whether an accuracy on the test set, from 0 to 1, is what guessing gives."""
    return accuracy <= GUESSES / classes < 1


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
    return _turned(
        "not_learning",
        evidence.of_epochs(run, 0, level=chance),
        {"loss": losses[-1], "chance": chance, "classes": run.classes, "epochs": len(losses)},
        _raised(run) if direction > 0 else _lowered(run, variant="lower"),
    )


def guessing(run: Run) -> Advice | None:
    """It ended no better than guessing. However short it was this is certain, if not its cause."""
    measured, chance = run.epochs, run.chance_loss
    if not run.has_succeeded or not measured or not _ends_at_chance(run):
        return None
    by_step = len(measured) < FEWEST_EPOCHS and len(run.samples.step) > 1
    return _turned(
        "guessing",
        evidence.of_samples(run, chance) if by_step else evidence.of_epochs(run, 0, level=chance),
        {"accuracy": _accuracy(run), "share": 1 / run.classes, "classes": run.classes,
         "loss": measured.test_loss[-1], "chance": chance},
        _way_from_chance(run),
    )  # fmt: skip


def _ends_at_chance(run: Run) -> bool:
    """Whether accuracy and loss on the test images both are those of guessing, or worse."""
    has_learned = run.epochs.test_loss[-1] < AT_CHANCE * run.chance_loss
    return _accuracy(run) <= GUESSES / run.classes and not has_learned


def _accuracy(run: Run) -> float:
    """On the test images, of what was published."""
    return float(run.evaluation["accuracy"] if run.evaluation else run.epochs.test_accuracy[-1])


def _way_from_chance(run: Run) -> Turn:
    """What to do about a run that learned nothing: no change where its rate is a usual one."""
    direction = _direction(run)
    steps = run.batches * len(run.epochs)
    if direction < 0:
        return _lowered(run, variant="lower")
    if 0 < steps < FEW_STEPS and _times_usual(run) > FAR_BELOW and not run.is_cut_short:
        epochs = min(LONGEST, -(-ENOUGH_STEPS // run.batches))
        return Turn({"steps": steps, "epochs": epochs}, {"epochs": epochs}, "longer")
    return _raised(run) if direction > 0 else Turn({"rate": run.rate}, {}, "either")


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
    places = [place for place in range(1, len(losses)) if losses[place] > losses[place - 1]]
    return _turned(
        "unstable",
        evidence.of_epochs(run, max(0, min(places, default=1) - 1), level=chance),
        {"least": min(losses), "most": most, "rise": rise, "last": losses[-1]},
        _lowered(run, divisor=10 if _times_usual(run) > 30 else 3),
    )


def better_rate(run: Run) -> Advice | None:
    """An earlier run that differs in its rate alone did better, by more than chance explains."""
    if run.evaluation is None:
        return None
    alike = [each for each in run.earlier if _differ_in_rate(run, each)]
    best = max(alike, key=lambda each: each.accuracy, default=None)
    if best is None:
        return None
    own = evidence.bar(run.job_id, None, _accuracy(run), run.test_images)
    other = evidence.bar(best.job_id, None, best.accuracy, run.test_images)
    if own.high >= other.low:
        return None
    return advice(
        "better_rate",
        Intervals([own, other]),
        {"accuracy": own.accuracy, "rate": run.rate, "other": best.accuracy,
         "other_rate": best.rate, "job_id": best.job_id},
        {"rate": best.rate, "before": run.rate},
        _at_rate(run, best.rate),
    )  # fmt: skip


def _differ_in_rate(run: Run, other: Earlier) -> bool:
    return {RATE} <= differences(run.spec, other.spec) <= RATES


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
    """How many times the usual rate the rate is."""
    return run.rate / _usual(run)


def _usual(run: Run) -> float:
    return usual_rate(run.spec)


def usual_rate(spec: Mapping[str, Any]) -> float:
    """The usual rate of a spec's optimizer. Momentum m makes a step 1 / (1 - m) as long."""
    kind = spec["optimizer"]["kind"]
    momentum = _momentum(spec) if kind in ("sgd", "rmsprop") else 0.0
    return float(USUAL_RATES[kind] * (1 - momentum))


def unusual_rate(spec: Mapping[str, Any]) -> float | None:
    """How many times the usual rate that of a whole spec is, where hardly any run can learn so."""
    times = float(spec["optimizer"]["learning_rate"]) / usual_rate(spec)
    return times if not HARDLY_ANY[0] <= times <= HARDLY_ANY[1] else None


def _momentum(spec: Mapping[str, Any]) -> float:
    return float(spec["optimizer"].get("momentum", 0.0))


def _turned(rule: str, shown: Curves, seen: Mapping[str, Any], turn: Turn) -> Advice:
    return advice(rule, shown, seen, turn.action, turn.changes, variant=turn.variant)


def _lowered(run: Run, *, divisor: float = 10, variant: str = "") -> Turn:
    """A lower rate that can work: of an earlier run, a part of this one's, or the usual one.

    A tenth of a rate that is a thousand times too high is still a hundred times too high.
    """
    known = _known(run, [each for each in _working(run) if each.rate < run.rate])
    rate = run.rate / divisor
    return known or _to(run, rate if rate <= FAR_ABOVE * _usual(run) else _usual(run), variant)


def _raised(run: Run) -> Turn:
    """A higher rate that can work: of an earlier run, else the usual one."""
    known = _known(run, [each for each in _working(run) if each.rate > run.rate])
    return known or _to(run, _usual(run), "raise")


def _to(run: Run, rate: float, variant: str) -> Turn:
    rate = trends.tidy(rate)
    return Turn({"rate": rate, "before": run.rate}, _at_rate(run, rate), variant)


def _known(run: Run, working: Sequence[Earlier]) -> Turn | None:
    """The rate of the one that is most like this run, and of several such the best."""
    if not working:
        return None
    other = min(working, key=lambda each: (len(differences(run.spec, each.spec)), -each.accuracy))
    action = {"rate": other.rate, "before": run.rate}
    return Turn(
        action | {"job_id": other.job_id, "accuracy": other.accuracy},
        _at_rate(run, other.rate),
        "known",
    )


def _working(run: Run) -> list[Earlier]:
    """The earlier runs that learned well with the same optimizer: their rates work."""
    kind, momentum = run.spec["optimizer"]["kind"], _momentum(run.spec)
    return [
        each
        for each in run.earlier
        if each.accuracy >= DOES_WELL / run.classes
        and (each.spec["optimizer"]["kind"], _momentum(each.spec)) == (kind, momentum)
    ]


def _at_rate(run: Run, rate: float) -> dict[str, Any]:
    """A clone at another rate; both rates of Muon move together."""
    changes = {RATE: rate}
    other = run.spec["optimizer"].get("adamw_learning_rate")
    if other:
        changes["optimizer.adamw_learning_rate"] = trends.tidy(other * rate / run.rate)
    return changes
