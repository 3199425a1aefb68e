"""The spec: its shape, its bounds, and words for whoever typed it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.datasets.builtin import DATASETS
from core.errors import InvalidInput
from core.spec import presets, spec
from core.spec.hyperparameters import Adam, Regularization
from core.spec.spec import TrainingSpec

TUTORIAL = {
    "dataset": "mnist",
    "model": {
        "kind": "cnn",
        "kernel_size": 5,
        "channels": [8, 16, 32, 256],
        "batch_norm": False,
        "dropout": 0.0,
    },
    "optimizer": {
        "kind": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.0,
        "nesterov": False,
        "weight_decay": 0.0,
    },
    "schedule": {"kind": "constant"},
    "batch_size": 64,
    "epochs": 10,
    "seed": 0,
    "device": "auto",
}


def wrong(values):
    with pytest.raises(InvalidInput) as caught:
        presets.resolve(None, values)
    return {error.field: error.message for error in caught.value.errors}


def test_the_default_spec_is_the_tutorials():
    default = TrainingSpec()

    assert spec.parse(TUTORIAL) == default
    assert presets.resolve("tutorial", {}) == default
    assert (default.augmentation.kind, default.data.validation) == ("none", 0)
    assert default.regularization == Regularization()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"dataset": "mnits"}, "dataset"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": 1.5}, "epochs"),
        ({"batch_size": "many"}, "batch_size"),
        ({"batch_size": 2000, "dataset": "digits"}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"device": "tpu"}, "device"),
        ({"nonsense": 1}, "nonsense"),
        ({"adam": 1}, "adam"),
        ({"optimizer": {"sgd": 1}}, "optimizer.sgd"),
        ({"optimizer": {"kind": "adamw", "adamw": 1}}, "optimizer.adamw"),
        ({"optimizer": {"kind": ["adam"]}}, "optimizer.kind"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"optimizer": None}, "optimizer"),
        ({"schedule": {"kind": "one_cycle", "warmup": 1}}, "schedule.warmup"),
        ({"schedule": {"kind": "one_cycle", "warmup": None}}, "schedule.warmup"),
        ({"epochs": None}, "epochs"),
        ({"seed": 2**31}, "seed"),
        ({"seed": "9" * 5000}, "seed"),
        ({"model": {"channels": [8] * 7}}, "model.channels"),
        ({"model": {"channels": [0]}}, "model.channels.0"),
        ({"model": {"kernel_size": 4}}, "model.kernel_size"),
        ({"model": {"channels": []}}, "model.channels"),
        ({"model": {"channels": [8, 0]}}, "model.channels.1"),
        ({"model": {"channels": "8"}}, "model.channels"),
        ({"model": {"dropout": 1.0}}, "model.dropout"),
        ({"model": {"nonsense": 1}}, "model.nonsense"),
        ({"model": 5}, "model"),
        ({"optimizer": {"learning_rate": 0}}, "optimizer.learning_rate"),
        ({"optimizer": {"learning_rate": float("nan")}}, "optimizer.learning_rate"),
        ({"optimizer": {"momentum": 1}}, "optimizer.momentum"),
        ({"optimizer": {"nesterov": True}}, "optimizer.nesterov"),
        ({"optimizer": {"kind": "adam", "momentum": 0.9}}, "optimizer.momentum"),
        ({"optimizer": {"kind": "moun"}}, "optimizer.kind"),
        ({"schedule": {"warmup": 1.0}}, "schedule.warmup"),
        (
            {
                "dataset": "digits",
                "batch_size": 1,
                "model": {"channels": [1, 1, 1, 1, 1, 1], "batch_norm": True},
            },
            "batch_size",
        ),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(values, field):
    errors = wrong(values)

    assert list(errors) == [field]
    assert errors[field]


def test_a_bound_is_told_in_full():
    assert wrong({"seed": 2**31}) == {"seed": "must be at most 2147483647"}
    assert wrong({"optimizer": {"momentum": 1.5}}) == {"optimizer.momentum": "must be less than 1"}


def test_every_wrong_field_is_named_at_once():
    assert set(wrong({"epochs": 0, "optimizer": {"momentum": 2}, "x": 1})) == {
        "epochs",
        "optimizer.momentum",
        "x",
    }


def test_single_fields_are_laid_over_a_preset():
    changed = presets.resolve("quick", {"optimizer": {"learning_rate": 0.05}, "seed": 7})

    quick = presets.PRESETS["quick"].spec
    assert changed.optimizer.learning_rate == 0.05
    assert changed.optimizer.momentum == quick.optimizer.momentum
    assert (changed.seed, changed.model) == (7, quick.model)


def test_another_kind_starts_from_its_own_defaults():
    changed = presets.resolve("quick", {"optimizer": {"kind": "adam"}})

    assert changed.optimizer == Adam()


@pytest.mark.parametrize("changes", [{}, {"kind": "sgd"}])
def test_the_same_kind_keeps_the_values_beside_those_that_change(changes):
    base = {"optimizer": {"kind": "sgd", "momentum": 0.9, "learning_rate": 0.1}}

    merged = spec.merge(base, {"optimizer": {"learning_rate": 0.2} | changes})

    assert merged == {"optimizer": {"kind": "sgd", "momentum": 0.9, "learning_rate": 0.2}}
    assert base["optimizer"]["learning_rate"] == 0.1


def test_a_spec_cannot_be_changed_once_it_is_made():
    with pytest.raises(ValidationError, match="frozen"):
        TrainingSpec().epochs = 5


def test_dotted_names_become_the_nested_shape():
    assert spec.nest({"optimizer.kind": "adam", "seed": 1}) == {
        "optimizer": {"kind": "adam"},
        "seed": 1,
    }


@pytest.mark.parametrize(
    "values",
    [
        {"seed": 1, "seed.x": 2},
        {"seed.x": 2, "seed": 1},
        {"optimizer.kind": "adam", "optimizer": 1},
    ],
)
def test_a_name_is_either_a_single_value_or_has_parts(values):
    with pytest.raises(InvalidInput, match="single value"):
        spec.nest(values)


RATE = st.floats(1e-6, 10)
SHARE = st.floats(0, 0.999)
NETWORKS = st.fixed_dictionaries(
    {
        "kind": st.just("cnn"),
        "kernel_size": st.sampled_from([3, 5, 7]),
        "channels": st.lists(st.integers(1, 512), min_size=1, max_size=5),
        "batch_norm": st.booleans(),
        "dropout": SHARE,
    }
)
OPTIMIZERS = st.one_of(
    st.fixed_dictionaries(
        {
            "kind": st.just("sgd"),
            "learning_rate": RATE,
            "momentum": st.floats(0.001, 0.999),
            "nesterov": st.booleans(),
            "weight_decay": SHARE,
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["adam", "adamw"]),
            "learning_rate": RATE,
            "weight_decay": SHARE,
        }
    ),
)
SCHEDULES = st.one_of(
    st.just({"kind": "constant"}),
    st.fixed_dictionaries({"kind": st.just("one_cycle"), "warmup": st.floats(0.001, 0.999)}),
)
SPECS = st.fixed_dictionaries(
    {
        "dataset": st.sampled_from(list(DATASETS)),
        "model": NETWORKS,
        "optimizer": OPTIMIZERS,
        "schedule": SCHEDULES,
        "batch_size": st.integers(2, 1437),
        "epochs": st.integers(1, 1000),
        "seed": st.integers(0, 2**31 - 1),
        "device": st.sampled_from(["auto", "cpu", "cuda"]),
    }
)


@given(SPECS)
def test_a_valid_spec_survives_json_to_the_last_digit(values):
    made = spec.parse(values)

    whole = made.model_dump(mode="json")
    assert spec.merge(whole, values) == whole
    assert TrainingSpec.model_validate_json(made.model_dump_json()) == made
    assert spec.parse(json.loads(json.dumps(values))) == made


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "sgd", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)
SECTIONS = {"model", "optimizer", "schedule"}
PATHS = [(field,) for field in TUTORIAL] + [
    (section, part) for section in sorted(SECTIONS) for part in TUTORIAL[section]
]


@given(path=st.sampled_from(PATHS), junk=JUNK)
@settings(max_examples=200)
def test_whatever_is_typed_is_taken_or_refused_in_plain_words_under_its_name(path, junk):
    values = {path[0]: {path[1]: junk} if len(path) > 1 else junk}
    try:
        presets.resolve(None, values)
    except InvalidInput as error:
        for problem in error.errors:
            assert problem.field.split(".")[0] in TUTORIAL
            assert "nput should" not in problem.message
