"""What the coach says about runs that were really made, and about which it is silent."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from core.coach import Curves, Earlier, Errors, Intervals, Run, advise
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
    "held-guess-high-mlp": "41% after one epoch is more than guessing, and one epoch is no trend",
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
def test_of_a_few_epochs_nothing_is_said_but_that_it_guesses(count):
    for each in RUNS.values():
        if each.run.error_kind is None:
            given = advise(_shortened(each.run, count))
            assert [one.rule for one in given] in ([], ["guessing"])


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("count", [1, 2, None])
def test_a_run_that_ended_no_better_than_guessing_is_named_however_short_it_was(name, count):
    run = RUNS[name].run if count is None else _shortened(RUNS[name].run, count)
    if run.error_kind or run.epochs.test_accuracy[-1] > 0.15 or run.epochs.test_loss[-1] < 2.3:
        return

    [given] = advise(run)

    assert given.rule in ("guessing", "not_learning")
    assert given.changes


GUESSED = {"too_high": "lower", "not_learning": "raise", "too_slow": "raise"}
"""Which way a run of one epoch is turned that ended at guessing, by what is wrong with it."""


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_one_epoch_that_guesses_is_turned_the_right_way_or_made_longer(name):
    each = RUNS[name]
    given = [] if each.run.error_kind else advise(_shortened(each.run, 1))
    if not given:
        return

    [one] = given
    way = one.action.code.rpartition("_")[2]

    assert not each.truth.isdisjoint(GUESSED) or way == "longer"
    assert way in {"longer", *(GUESSED[rule] for rule in each.truth & set(GUESSED))}


def test_a_run_of_usual_rate_and_many_steps_that_guesses_is_named_without_a_change():
    run = _shortened(RUNS["flat-sgd"].run, 2)
    usual = merge(run.spec, {"optimizer": {"learning_rate": 0.2}})

    [given] = advise(replace(run, stored_spec=usual, batches=400))

    assert (given.rule, given.action.code, given.changes) == (
        "guessing",
        "coach.guessing.action_either",
        {},
    )


def test_a_run_whose_published_weights_are_good_does_not_guess():
    run = _shortened(RUNS["high-normed"].run, 1)

    assert [given.rule for given in advise(run)] == ["guessing"]
    assert advise(replace(run, evaluation={"accuracy": 0.9, "count": 360, "mistakes": []})) == []


def _shortened(run: Run, count: int) -> Run:
    return replace(run, epochs=_first(run.epochs, count), evaluation=None)


@pytest.mark.parametrize("name", [name for name in RUNS if "diverged" in RUNS[name].truth])
def test_a_rate_that_diverged_is_lowered_to_one_that_can_work(name):
    run = RUNS[name].run
    wild = merge(run.spec, {"optimizer": {"kind": "sgd", "learning_rate": 10.0, "momentum": 0.9}})

    [given] = advise(replace(run, stored_spec=wild))

    assert given.changes == {"optimizer.learning_rate": 0.03}


def test_a_rate_is_lowered_to_the_one_with_which_a_run_most_like_it_did_well():
    run = RUNS["diverged-deep"].run
    earlier = [
        Earlier(4, merge(run.spec, {"optimizer": {"learning_rate": 0.1}}), 0.99),
        Earlier(5, merge(run.spec, {"optimizer": {"learning_rate": 0.2}}), 0.12),
        Earlier(6, merge(run.spec, {"epochs": 50, "optimizer": {"learning_rate": 0.3}}), 0.995),
    ]

    [given] = advise(replace(run, earlier=earlier))

    assert given.changes == {"optimizer.learning_rate": 0.1}
    assert given.action.text == "Lower the learning rate to 0.1: with it run #4 reached 99.00%."


def test_a_run_is_told_that_another_rate_did_better():
    run = RUNS["high-muon"].run
    lower = {"learning_rate": 0.02, "adamw_learning_rate": 0.0001}
    spec = merge(run.spec, {"optimizer": lower})
    worse = {**run.evaluation, "accuracy": 0.8145}

    def rules(**changes):
        return [given.rule for given in advise(replace(run, evaluation=worse, **changes))]

    assert rules(earlier=[Earlier(1, spec, 0.99)]) == ["better_rate"]
    assert rules(earlier=[Earlier(1, spec, 0.82)]) == []
    assert rules(earlier=[Earlier(1, merge(spec, {"epochs": 50}), 0.99)]) == []


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


@pytest.mark.parametrize(("name", "other"), ALIKE)
def test_what_was_repeated_with_other_seeds_is_not_advised_again(name, other):
    run = replace(RUNS[name].run, siblings=[sibling(other, 2)])

    spoken = [
        any(each.rule == "noise" for each in advise(replace(run, repeats=repeats)))
        for repeats in (0, 1, 2, 4)
    ]

    assert spoken == [True, True, False, False]


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
