"""The facts of a spec, so that others need not know its fields."""

from __future__ import annotations

import pytest

from core.datasets.builtin import DATASETS
from core.spec import facts, presets, shapes
from core.spec.hyperparameters import Hyperparameters
from core.spec.presets import PRESETS


def stored(preset):
    return PRESETS[preset].spec.model_dump(mode="json")


def test_the_summary_says_what_tells_one_run_from_another():
    assert facts.highlights(stored("best")) == ("mnist", "cnn", "sgd 0.1", "12 epochs")
    assert facts.summary(stored("quick")) == "mnist · cnn · sgd 0.1 · 1 epoch"


def test_changes_are_summarized_over_the_defaults():
    changes = {"dataset": "digits", "optimizer": {"kind": "adamw"}, "model": {"kind": "resnet"}}

    assert facts.summary(changes) == "digits · resnet · adamw · 10 epochs"
    assert facts.summary({}) == "mnist · cnn · sgd 0.1 · 10 epochs"


def test_a_stored_spec_of_an_earlier_version_is_summarized():
    spec = stored("digits_seconds")
    del spec["schedule"], spec["publishing"]
    spec["accumulation"] = spec.pop("micro_batches")

    assert facts.summary(spec) == "digits · cnn · adamw 0.01 · 20 epochs"


def test_a_run_without_a_name_is_named_by_its_images():
    assert facts.default_name({"dataset": "digits", "epochs": 3}) == "digits run"
    assert facts.default_name({}) == "mnist run"


@pytest.mark.parametrize(
    ("spec", "has_one"), [({}, False), ({"data": {"validation": 0.1}}, True), ({"data": {}}, False)]
)
def test_a_validation_split_is_known_from_a_stored_spec(spec, has_one):
    assert facts.has_validation(spec) is has_one


def test_a_network_is_described_for_the_images_of_its_spec():
    spec = presets.resolve(None, {"dataset": "cifar10", "model": {"kind": "mlp"}})

    assert facts.network(spec) == shapes.summary(spec.model, DATASETS["cifar10"])


@pytest.mark.parametrize("parts", [facts.NETWORK_PARTS, facts.PREVIEW_PARTS])
def test_parts_are_fields_of_the_spec(parts):
    assert set(parts) <= set(Hyperparameters.model_fields)
