"""What cannot work together is refused at submit, and the sentence says what to change."""

import pytest

from core.datasets.builtin import DATASETS
from core.errors import InvalidInput
from core.spec import presets
from core.spec.rules import train_count, validation_count


def errors(**changes):
    with pytest.raises(InvalidInput) as refused:
        presets.resolve("tutorial", changes)
    return {error.field: error.message for error in refused.value.errors}


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
        ({"batch_size": 4, "micro_batches": 5}, "batch_size", "5 parts"),
        ({"batch_size": 59_999, "devices": 2}, "batch_size", "must be at most"),
        ({"dataset": "digits", "batch_size": 1436, "devices": 2}, "batch_size", "batch of 1"),
    ],
)
def test_a_combination_that_cannot_work_is_refused(changes, field, words):
    found = errors(**changes)

    assert field in found
    assert words in found[field]


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
        {"devices": 4},
    ],
)
def test_what_can_work_is_let_through(changes):
    presets.resolve("tutorial", changes)


def test_the_images_are_counted_as_they_are_split():
    spec = presets.resolve("tutorial", {"data": {"subset": 1001, "validation": 0.1}})

    assert validation_count(spec, DATASETS[spec.dataset]) == 100
    assert train_count(spec, DATASETS[spec.dataset]) == 901


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_can_work(name):
    presets.resolve(name, {})
