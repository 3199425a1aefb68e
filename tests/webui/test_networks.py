"""What a network looks like, asked for by parts of a spec."""

from __future__ import annotations

import pytest

from core.datasets.builtin import DATASETS
from core.errors import InvalidInput
from core.spec import shapes
from core.spec.hyperparameters import CNN, MLP, ResNet
from webui import networks


@pytest.mark.parametrize(
    ("asked", "model", "dataset"),
    [
        ({}, CNN(), "mnist"),
        ({"dataset": "digits"}, CNN(), "digits"),
        ({"model": {"channels": [4, 8]}}, CNN(channels=(4, 8)), "mnist"),
        ({"model": {"kind": "mlp"}}, MLP(), "mnist"),
        (
            {"dataset": "cifar10", "model": {"kind": "resnet", "depth": 14}},
            ResNet(depth=14),
            "cifar10",
        ),
    ],
)
def test_what_is_not_said_is_as_it_is_by_default(asked, model, dataset):
    assert networks.summarize(asked) == shapes.summary(model, DATASETS[dataset])


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"dataset": "nope"}, "dataset"),
        ({"model": {"kind": "nope"}}, "model.kind"),
        ({"model": {"kernel_size": 4}}, "model.kernel_size"),
        ({"optimizer": {"kind": "adam"}}, "optimizer"),
    ],
)
def test_a_wrong_field_is_named(asked, field):
    with pytest.raises(InvalidInput) as caught:
        networks.summarize(asked)

    assert [error.field for error in caught.value.errors] == [field]


def test_defaults_that_do_not_suit_a_dataset_do_not_stand_in_the_way(monkeypatch):
    def refuse(*_):
        raise InvalidInput.one("batch_size", "is too large here")

    monkeypatch.setattr("core.spec.presets.resolve", refuse)

    assert networks.summarize({"dataset": "digits"}).blocks
