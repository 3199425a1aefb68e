"""Random numbers are a function of seed and place."""

import pytest
import torch

from worker.training import random

CPU = torch.device("cpu")


def test_each_place_of_each_run_has_numbers_of_its_own():
    places = [(0, "order", 1), (0, "order", 2), (0, "dropout", 1), (1, "order", 1)]

    assert len({random.seed_for(*place) for place in places}) == len(places)
    assert all(0 <= random.seed_for(*place) < 2**63 for place in places)


def test_a_place_has_the_same_numbers_each_time():
    first, again = (torch.rand(3, generator=random.generator(0, "order", 1)) for _ in range(2))

    assert torch.equal(first, again)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_an_order_has_each_image_once(count):
    assert torch.equal(random.order(0, 1, count).sort().values, torch.arange(count))


def test_torchs_own_generator_is_seeded_as_torch_does_it():
    torch.manual_seed(7)
    theirs = torch.rand(3)
    random.seed_torch(7, CPU)

    assert torch.equal(torch.rand(3), theirs)
