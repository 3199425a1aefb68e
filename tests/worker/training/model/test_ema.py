"""The running average of the weights."""

import pytest
import torch
from torch import nn

from worker.training.model.ema import Average


def test_the_average_is_the_exponential_one_once_the_run_is_long():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 1.0)
    average = Average(network, 0.9)
    nn.init.constant_(network.weight, 2.0)

    average.follow(10_000)

    assert average.network.weight.item() == pytest.approx(1.1)


def test_the_first_steps_keep_less_of_the_random_weights():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0.0)
    average = Average(network, 0.999)
    nn.init.constant_(network.weight, 1.0)

    average.follow(1)

    assert average.network.weight.item() == pytest.approx(1 - 2 / 11)


def test_batch_norm_is_averaged_too_but_for_its_count():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    average = Average(network, 0.5)
    network(torch.rand(4, 1, 3, 3))

    average.follow(10_000)

    norm, averaged = network[1], average.network[1]
    torch.testing.assert_close(averaged.running_var, 0.5 * torch.ones(2) + 0.5 * norm.running_var)
    assert averaged.num_batches_tracked == norm.num_batches_tracked == 1


def test_the_average_is_not_trained_itself():
    average = Average(nn.Linear(1, 1), 0.9)

    assert not any(each.requires_grad for each in average.network.parameters())
