"""What cannot work together is refused at submit, and the sentence says what to change."""

from dataclasses import replace

import pytest

from core.datasets.builtin import DATASETS
from core.errors import InvalidInput
from core.messages import message
from core.spec import presets, rules, spec
from core.spec.hyperparameters import Hyperparameters
from core.spec.presets import PRESETS


def errors(**changes):
    with pytest.raises(InvalidInput) as refused:
        presets.resolve("tutorial", changes)
    return {error.field: error.reason for error in refused.value.errors}


def mistakes(preset, changes):
    """What the rules say of a spec that nothing has refused yet."""
    values = spec.merge(PRESETS[preset].spec.model_dump(mode="json"), changes)
    unchecked = Hyperparameters.model_validate(values)
    return list(rules.mistakes(unchecked, DATASETS[unchecked.dataset]))


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"stopping": {"patience": 3}}, "stopping.patience", "data.validation"),
        ({"stopping": {"target_accuracy": 0.9}}, "stopping.target_accuracy", "data.validation"),
        ({"publishing": {"weights": "best"}}, "publishing.weights", "data.validation"),
        ({"batch_size": 2000, "dataset": "digits"}, "batch_size", "1437 images"),
        ({"batch_size": 500, "data": {"subset": 400}}, "batch_size", "400 images"),
        ({"data": {"subset": 60_001}}, "data.subset", "60000 images"),
        ({"data": {"subset": 64, "validation": 0.1}}, "data.validation", "10 classes"),
        (
            {"loss": "multi_margin", "regularization": {"mix": "mixup"}},
            "regularization.mix",
            "cross_entropy",
        ),
        (
            {"loss": "multi_margin", "regularization": {"label_smoothing": 0.1}},
            "regularization.label_smoothing",
            "cross_entropy",
        ),
        ({"augmentation": {"kind": "photos"}}, "augmentation.color", "gray"),
        (
            {"dataset": "digits", "augmentation": {"kind": "clothes", "crop": 8}},
            "augmentation.crop",
            "8 pixels wide",
        ),
        (
            {"dataset": "digits", "augmentation": {"kind": "handwriting", "shift": 8}},
            "augmentation.shift",
            "8 pixels wide",
        ),
        (
            {
                "dataset": "digits",
                "model": {"kind": "resnet18"},
                "batch_size": 10,
                "micro_batches": 10,
            },
            "batch_size",
            "a part of one image",
        ),
        (
            {"compute": {"precision": "fp16"}, "device": "cuda", "optimizer": {"kind": "muon"}},
            "compute.precision",
            "Muon",
        ),
        ({"compute": {"precision": "fp16"}}, "compute.precision", "device is auto"),
        (
            {"compute": {"precision": "fp16"}, "device": "cpu"},
            "compute.precision",
            "set device to cuda",
        ),
        ({"compute": {"tf32": True}, "device": "cpu"}, "compute.tf32", "change device"),
        # the last batch has 13 images: of eight devices three get a single one
        (
            {
                "dataset": "digits",
                "model": {"kind": "resnet18"},
                "batch_size": 89,
                "devices": 8,
                "data": {"subset": 102},
            },
            "batch_size",
            "a part of one image",
        ),
        ({"batch_size": 4, "micro_batches": 5}, "batch_size", "5 parts"),
        ({"batch_size": 59_999, "devices": 2}, "batch_size", "must be at most"),
        ({"dataset": "digits", "batch_size": 1436, "devices": 2}, "batch_size", "batch of 1"),
    ],
)
def test_a_combination_that_cannot_work_is_refused(changes, field, words):
    found = errors(**changes)

    assert field in found
    assert found[field].code.startswith(("spec.", "input."))
    assert words in found[field].text


def test_everything_that_is_wrong_is_said_at_once():
    found = errors(
        stopping={"patience": 3},
        compute={"precision": "fp16"},
        loss="multi_margin",
        regularization={"mix": "cutmix"},
    )

    assert set(found) == {"stopping.patience", "compute.precision", "regularization.mix"}


@pytest.mark.parametrize(
    "changes",
    [
        {"stopping": {"patience": 3}, "data": {"validation": 0.1}},
        {"compute": {"precision": "fp16"}, "device": "cuda"},
        {"compute": {"precision": "bf16"}, "device": "cpu"},
        {"augmentation": {"kind": "photos", "color": 0}},
        {"micro_batches": 64},
        # parts of 3, 3, 2 and 2 images, and of 3, 2 and 2
        {
            "dataset": "digits",
            "model": {"kind": "resnet18"},
            "batch_size": 10,
            "micro_batches": 4,
        },
        # parts of one image would be left over: they are put to another
        {
            "dataset": "digits",
            "batch_size": 8,
            "micro_batches": 2,
            "devices": 2,
            "device": "cpu",
            "model": {"channels": [4] * 6, "kernel_size": 3, "batch_norm": True},
        },
        {"devices": 4},
    ],
)
def test_what_can_work_is_let_through(changes):
    assert mistakes("tutorial", changes) == []


def test_the_images_are_counted_as_they_are_split():
    split = presets.resolve("tutorial", {"data": {"subset": 1001, "validation": 0.1}})

    assert rules.validation_count(split, DATASETS["mnist"]) == 100
    assert rules.train_count(split, DATASETS["mnist"]) == 901


def test_a_rule_goes_by_the_dataset_that_it_is_given():
    small = replace(DATASETS["mnist"], title="Small", train_count=100)

    [mistake] = rules.mistakes(Hyperparameters(batch_size=200), small)

    assert mistake.field == "batch_size"
    assert mistake.reason == message("spec.batch_too_large", dataset="Small", images=100)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_work(name):
    assert mistakes(name, {}) == []
