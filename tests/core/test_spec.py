"""The spec: its shape, its bounds, and words for whoever typed it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import presets, spec
from core.errors import InvalidInput
from core.fields import every_field, spec_fields
from core.spec import TrainingSpec

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
    assert TrainingSpec().model_dump(mode="json") == TUTORIAL
    assert presets.resolve("tutorial", {}).model_dump(mode="json") == TUTORIAL


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
        ({"optimizer": {"kind": "muon"}}, "optimizer.kind"),
        ({"schedule": {"warmup": 0.5}}, "schedule.warmup"),
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


def test_every_wrong_field_is_named_at_once():
    assert set(wrong({"epochs": 0, "optimizer": {"momentum": 2}, "x": 1})) == {
        "epochs",
        "optimizer.momentum",
        "x",
    }


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match=r"preset: .*quick, tutorial"):
        presets.resolve("slow", {})


def test_single_fields_are_laid_over_a_preset():
    changed = presets.resolve("quick", {"optimizer": {"learning_rate": 0.05}, "seed": 7})

    quick = presets.PRESETS["quick"].spec
    assert changed.optimizer.learning_rate == 0.05
    assert changed.optimizer.momentum == quick.optimizer.momentum
    assert (changed.seed, changed.model) == (7, quick.model)


def test_another_kind_starts_from_its_own_defaults():
    changed = presets.resolve("quick", {"optimizer": {"kind": "adam"}})

    assert changed.optimizer == spec.Adam()


def test_dotted_names_become_the_nested_shape():
    assert spec.nest({"optimizer.kind": "adam", "seed": 1}) == {
        "optimizer": {"kind": "adam"},
        "seed": 1,
    }


def test_a_dotted_name_below_a_single_value_is_refused():
    with pytest.raises(InvalidInput):
        spec.nest({"seed": 1, "seed.x": 2})


def test_every_field_has_a_label_a_help_text_and_a_default():
    for _section, _variant, field in every_field():
        assert field.title, field.path
        assert field.help, field.path
        assert field.default != "", field.path


def test_every_field_of_the_schema_is_among_the_fields():
    flat = set(spec_fields())

    assert {"dataset", "batch_size", "model.channels", "optimizer.kind"} <= flat
    assert {"optimizer.nesterov", "schedule.warmup", "schedule.kind"} <= flat


@given(
    optimizer=st.sampled_from(["sgd", "adam", "adamw"]),
    schedule=st.sampled_from(["constant", "one_cycle"]),
    rate=st.floats(1e-6, 10),
    channels=st.lists(st.integers(1, 512), min_size=1, max_size=6),
    seed=st.integers(0, 2**31 - 1),
)
def test_a_spec_survives_json(optimizer, schedule, rate, channels, seed):
    made = presets.resolve(
        None,
        {
            "optimizer": {"kind": optimizer, "learning_rate": rate},
            "schedule": {"kind": schedule},
            "model": {"channels": channels},
            "seed": seed,
        },
    )

    assert TrainingSpec.model_validate_json(made.model_dump_json()) == made
