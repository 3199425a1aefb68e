"""The presets: each can be chosen, is complete, and says why one would choose it."""

import pytest

from core.errors import InvalidInput
from core.spec import presets
from core.spec.presets import PRESETS
from core.spec.spec import TrainingSpec


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_resolves_to_its_own_spec(name):
    assert presets.resolve(name, {}) == PRESETS[name].spec


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_a_name_a_title_and_a_reason(name):
    preset = PRESETS[name]

    assert preset.name == name
    assert preset.title
    assert preset.reason.endswith(".")


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_any_optimizer_can_be_laid_over_any_preset(name, kind):
    assert presets.resolve(name, {"optimizer": {"kind": kind}}).optimizer.kind == kind


def test_no_preset_means_the_defaults():
    assert presets.resolve(None, {}) == TrainingSpec()


def test_overriding_leaves_the_preset_as_it_was():
    before = PRESETS["quick"].spec.model_dump()

    presets.resolve("quick", {"epochs": 9, "model": {"dropout": 0.5}})

    assert PRESETS["quick"].spec.model_dump() == before


@pytest.mark.parametrize("name", ["slow", "", "Quick"])
def test_an_unknown_preset_is_refused_with_the_known_ones(name):
    with pytest.raises(InvalidInput, match=r"preset: .*quick, tutorial"):
        presets.resolve(name, {})


@pytest.mark.parametrize("preset", [None, "quick", "best"])
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"epochs": 77},
        {"optimizer": {"kind": "adam", "learning_rate": 0.5}},
        {"optimizer": {"kind": "rmsprop"}, "schedule": {"kind": "step", "every": 2}},
        {"stopping": {"patience": 3}, "data": {"validation": 0.1}, "model": {"kind": "mlp"}},
    ],
)
def test_the_changes_of_a_spec_lead_from_its_preset_to_it(preset, wanted):
    spec = presets.resolve("tutorial", wanted)

    changes = presets.changes(preset, spec)

    assert presets.resolve(preset, changes) == spec
    assert not presets.changes("tutorial", presets.resolve("tutorial"))
