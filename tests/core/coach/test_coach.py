"""What the coach says about runs that were really made, and about which it is silent."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from core.coach import Curves, Errors, Intervals, Run, advise
from core.coach.run import Epochs
from core.spec.spec import merge, nest, parse
from tests.core.coach.recorded import THROWN_BY_RATE, recorded, sibling

RUNS = recorded()
GOOD = [name for name, each in RUNS.items() if not each.truth]

NOT_SEEN = {
    "frozen-step": "the rate was so small that little had been learned when it came to rest",
    "heart-mlp": "the test loss stays where it was, which is no rise",
    "heart-validated": "the validation loss falls to the end, and nothing else changes",
    "high-fashion": "after a bad first epoch it learns",
    "high-muon": "batch norm makes up for it: 99.7% in the end",
    "slow-sgd": "so slow that nothing was learned, which is said instead",
    "held-heart-resnet": "the test loss jumps too much for a rise to be seen",
}
"""Runs about which a rule is silent that was to speak, and why."""

TRAINING_RULES = (
    "diverged",
    "not_learning",
    THROWN_BY_RATE,
    "too_slow",
    "batch_too_large",
    "schedule_ended",
    "overfitting",
    "still_improving",
    "saturated",
    "labels",
)


@pytest.mark.parametrize("name", [name for name in RUNS if name not in NOT_SEEN])
def test_it_says_of_a_run_what_is_wrong_with_it_and_nothing_else(name):
    each = RUNS[name]

    assert each.truth <= each.spoken() <= each.truth | each.tolerated


@pytest.mark.parametrize("name", GOOD)
def test_it_is_silent_about_a_good_run(name):
    assert RUNS[name].spoken() == set()


@pytest.mark.parametrize("rule", TRAINING_RULES)
def test_each_rule_was_seen_to_speak_of_three_real_runs_and_to_be_silent_about_five(rule):
    spoken = Counter(rule for each in RUNS.values() for rule in each.spoken() & each.truth)

    assert spoken[rule] >= 3
    assert len(GOOD) >= 5


@pytest.mark.parametrize("name", RUNS)
def test_a_rate_is_never_turned_the_wrong_way(name):
    each = RUNS[name]
    changes = [given.changes for given in each.advices()]
    rates = [
        change["optimizer.learning_rate"]
        for change in changes
        if "optimizer.learning_rate" in change
    ]

    is_too_high = each.truth & {THROWN_BY_RATE, "diverged"}
    assert all((rate < each.run.rate) == bool(is_too_high) for rate in rates)


@pytest.mark.parametrize("name", RUNS)
def test_a_corrected_clone_is_a_run_that_can_be_started(name):
    run = RUNS[name].run
    for given in RUNS[name].advices():
        changed = parse(merge(run.spec, nest(given.changes)))
        assert (changed != parse(run.spec)) == bool(given.changes)


@pytest.mark.parametrize("name", RUNS)
def test_evidence_lies_within_the_run(name):
    run = RUNS[name].run
    for given in RUNS[name].advices():
        if isinstance(given.evidence, Curves):
            at = given.evidence.series[0].at if given.evidence.series else [0]
            assert at[0] <= given.evidence.first <= given.evidence.last <= at[-1]
            assert all(len(each.at) == len(each.values) for each in given.evidence.series)
        if isinstance(given.evidence, Errors):
            assert set(given.evidence.indexes) <= {
                each["index"] for each in (run.evaluation or {})["mistakes"]
            }


@pytest.mark.parametrize("count", range(3))
def test_of_a_few_epochs_nothing_is_said(count):
    for each in RUNS.values():
        if each.run.error_kind is None:
            shorter = replace(each.run, epochs=_first(each.run.epochs, count), evaluation=None)
            assert advise(shorter) == []


def _first(epochs: Epochs, count: int) -> Epochs:
    columns = Epochs.__dataclass_fields__
    return Epochs(**{name: getattr(epochs, name)[:count] for name in columns})


@pytest.mark.parametrize("state", ["queued", "paused", "cancelled"])
def test_a_run_that_is_not_over_or_was_cancelled_is_left_alone(state):
    assert all(advise(replace(each.run, state=state)) == [] for each in RUNS.values())


def test_a_running_run_is_told_only_that_it_does_not_learn():
    spoken = {
        name: [given.rule for given in advise(replace(each.run, state="running", evaluation=None))]
        for name, each in RUNS.items()
    }

    assert {rule for rules in spoken.values() for rule in rules} == {"not_learning"}
    assert [name for name, rules in spoken.items() if rules and not RUNS[name].truth] == []


def test_images_that_are_mixed_make_a_train_loss_jump_and_that_is_no_fault():
    run = RUNS["held-good-mixed"].run
    unmixed = merge(run.spec, {"regularization": {"mix": "none"}})

    assert advise(run) == []
    assert [given.rule for given in advise(replace(run, stored_spec=unmixed))] == ["unstable"]


def test_what_is_said_has_numbers_and_a_reason():
    [given] = RUNS["heart-fashion"].advices()

    assert given.title.text == "Overfitting"
    assert "lowest at epoch" in given.seen.text
    assert given.action.text == "Vary the training images: augmentation clothes."
    assert given.changes == {"augmentation.kind": "clothes"}
    assert given.why.text


def test_what_the_spec_has_already_is_not_advised_again():
    run = RUNS["heart-fashion"].run
    augmented = merge(run.spec, {"augmentation": {"kind": "clothes"}})
    decayed = merge(augmented, {"optimizer": {"weight_decay": 0.01}})
    patient = merge(decayed, {"data": {"validation": 0.1}, "stopping": {"patience": 3}})

    def changes(spec):
        [given] = advise(replace(run, stored_spec=spec, evaluation=None, **_validated(run, spec)))
        return set(given.changes)

    assert changes(augmented) == {"optimizer.weight_decay"}
    assert changes(decayed) == {"stopping.patience", "publishing.weights", "data.validation"}
    assert changes(patient) == set()


def _validated(run: Run, spec):
    """The curves of a run as if its test images were those of validation, where it has such."""
    if not spec["data"]["validation"]:
        return {}
    epochs = run.epochs
    measured = {"validation_loss": epochs.test_loss, "validation_accuracy": epochs.test_accuracy}
    return {"epochs": replace(epochs, **measured)}


def test_labels_are_suspected_of_scattered_errors_and_not_of_hard_classes():
    suspected = {name for name, each in RUNS.items() if "labels" in each.spoken()}

    assert suspected == {name for name, each in RUNS.items() if "labels" in each.truth}


ALIKE = [
    ("good-adamw-0.01-32", "good-sgd-0.05-32"),
    ("good-adamw-0.01-96", "good-preset-1"),
    ("good-mlp", "good-rmsprop"),
    ("good-muon", "good-rmsprop"),
    ("good-preset-0", "good-resnet"),
]
"""Good runs that differ in one or two fields, and in their accuracy by an image or two."""
APART = [
    ("good-preset-0", "noisy-normed", "its accuracy is far lower"),
    ("good-mlp", "noisy-mlp", "its accuracy is far lower"),
    ("good-augmented", "noisy-augmented", "its accuracy is far lower"),
    ("good-sgd-0.05-32", "good-sgd-0.05-96", "their accuracies are the same"),
    ("good-preset-0", "good-preset-1", "they differ by their seeds alone"),
    ("good-resnet", "good-mlp", "they differ in too much"),
    ("flat-adam", "flat-sgd", "there is something else to be put right"),
]


def noise_of(name, *others):
    siblings = [sibling(other, 2 + place) for place, other in enumerate(others)]
    given = advise(replace(RUNS[name].run, siblings=siblings))
    return next((each for each in given if each.rule == "noise"), None)


@pytest.mark.parametrize(("name", "other"), ALIKE)
def test_a_difference_of_a_few_images_is_called_noise(name, other):
    given = noise_of(name, other)

    assert given is not None
    assert isinstance(given.evidence, Intervals)
    assert " of run #2, which differs in " in given.seen.text
    assert given.changes == {"seed": RUNS[name].run.spec["seed"] + 1}


@pytest.mark.parametrize(("name", "other", "why"), APART)
def test_it_is_silent_about_noise_where(name, other, why):
    assert noise_of(name, other) is None, why


def test_a_run_is_compared_with_the_one_that_is_most_like_it():
    given = noise_of("good-adamw-0.01-32", "good-preset-1", "good-sgd-0.05-32")

    assert "run #3, which differs in optimizer.kind:" in given.seen.text


def test_the_best_epoch_of_few_validation_images_is_no_better_than_the_last():
    run = RUNS["good-augmented"].run
    accuracies = run.epochs.validation_accuracy
    best = max(range(len(accuracies)), key=accuracies.__getitem__)
    assert accuracies[best] > accuracies[-1]

    [given] = advise(replace(run, published_epoch=run.epochs.epoch[best]))

    assert given.rule == "noise_of_epochs"
    assert given.changes == {"data.validation": 0.3}
