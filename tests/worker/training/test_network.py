"""The networks, and the digest of their weights."""

import pytest
import torch
from torch import nn

from core.catalogue import DATASETS
from core.spec import CNN
from worker.training.network import build, digest, portable_weights


def test_the_default_network_is_the_tutorials():
    by_hand = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 5, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 256, 5, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256 * 7 * 7, 10),
    )

    network = build(CNN(), DATASETS["mnist"])

    assert str(network) == str(by_hand)
    by_hand.load_state_dict(network.state_dict())
    images = torch.rand(2, 1, 28, 28)
    assert torch.equal(network(images), by_hand(images))


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
@pytest.mark.parametrize("channels", [(4,), (4, 4), (2, 3, 4, 5, 6, 7)])
def test_every_network_takes_every_data_set(dataset, kernel_size, channels):
    model = CNN(kernel_size=kernel_size, channels=channels, batch_norm=True, dropout=0.5)

    scores = build(model, dataset)(torch.rand(3, dataset.channels, dataset.size, dataset.size))

    assert scores.shape == (3, len(dataset.classes))


def test_batch_norm_follows_each_convolution_and_dropout_precedes_the_linear_layer():
    layers = [type(layer) for layer in build(CNN(batch_norm=True, dropout=0.5), DATASETS["mnist"])]

    after_convolutions = [layers[i + 1] for i, kind in enumerate(layers) if kind is nn.Conv2d]
    assert after_convolutions == [nn.BatchNorm2d] * 4
    assert layers[-2:] == [nn.Dropout, nn.Linear]


def test_the_digest_sees_every_change_of_the_weights():
    weights = portable_weights(build(CNN(), DATASETS["digits"]))
    before = digest(weights)

    weights["0.bias"][0] += 1e-6

    assert digest(weights) != before


def test_the_digest_does_not_depend_on_the_memory_layout():
    network = build(CNN(), DATASETS["digits"])
    before = digest(portable_weights(network))

    network.to(memory_format=torch.channels_last)

    assert digest(portable_weights(network)) == before
