"""Shards of a batch: the same step, whoever computes it, and how many there are."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from core.datasets.builtin import DATASETS
from core.spec.presets import PRESETS, resolve
from worker.training.data.batches import Batch
from worker.training.model import network
from worker.training.run.sharding import LEAST_IMAGES, ShardedNetwork, Sharding, shard_count


@pytest.fixture(autouse=True)
def _threads_of_torch():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def batch(count, dataset="digits"):
    generator = torch.Generator().manual_seed(1)
    info = DATASETS[dataset]
    images = torch.rand((count, info.channels, info.size, info.size), generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    return Batch(images, torch.arange(count) % 10, whole=count)


def scaled_loss(of, part):
    loss = functional.cross_entropy(of(part.images), part.labels)
    loss = loss * (len(part.labels) / part.whole)
    return loss.detach(), loss


def made(model=None, seed=0):
    torch.manual_seed(seed)
    spec = resolve("tutorial", {"dataset": "digits", "model": model or {}})
    info = DATASETS["digits"]
    built = network.build(spec.model, info, normalize=True).to(memory_format=torch.channels_last)
    return built.train()


def gradients(of):
    return [weight.grad for weight in of.parameters()]


@pytest.fixture(params=[1, 2, 4])
def sharding(request):
    made = Sharding(4, request.param)
    yield made
    made.close()


NORMED = {"kind": "cnn", "channels": [8, 16], "kernel_size": 3, "batch_norm": True, "dropout": 0.5}


def test_shards_add_up_to_the_gradient_of_the_whole_batch(sharding):
    whole, sharded = made(), made()
    loss, scaled = scaled_loss(whole, batch(128))
    scaled.backward()

    parts = sharding.split(batch(128))
    loss_of_shards = ShardedNetwork(sharded, sharding, scaled_loss).backward(parts)

    assert len(parts) == 4
    torch.testing.assert_close(loss_of_shards, loss)
    for mine, theirs in zip(gradients(sharded), gradients(whole), strict=True):
        torch.testing.assert_close(mine, theirs)
        assert mine.stride() == theirs.stride()


def test_the_bytes_do_not_depend_on_the_threads():
    def after_two_steps(threads):
        sharding, of = Sharding(4, threads), made(NORMED)
        sharded = ShardedNetwork(of, sharding, scaled_loss)
        for step in range(2):
            sharded.seed(0, "dropout", step)
            sharded.backward(sharding.split(batch(128)))
        sharding.close()
        return [*gradients(of), *(each.clone() for each in of.buffers())]

    first, *others = [after_two_steps(threads) for threads in (1, 2, 3)]

    for other in others:
        assert all(map(torch.equal, first, other))


def test_gradients_are_added_to_those_that_are_there(sharding):
    once, twice = made(), made()
    ShardedNetwork(once, sharding, scaled_loss).backward(sharding.split(batch(64)))
    sharded = ShardedNetwork(twice, sharding, scaled_loss)

    for _ in range(2):
        sharded.backward(sharding.split(batch(64)))

    for one, two in zip(gradients(once), gradients(twice), strict=True):
        torch.testing.assert_close(two, 2 * one)


def test_batch_norm_remembers_the_mean_of_what_the_shards_have_seen(sharding):
    of = made(NORMED)
    alone = [copy.deepcopy(of) for _ in range(4)]
    parts = sharding.split(batch(128))

    ShardedNetwork(of, sharding, scaled_loss).backward(parts)

    for each, part in zip(alone, parts, strict=True):
        each(part.images)
    seen = [dict(each.named_buffers()) for each in alone]
    for name, value in of.named_buffers():
        if "running" in name:
            mean = torch.stack([each[name] for each in seen]).mean(0)
            torch.testing.assert_close(value, mean)
        else:  # the number of batches, and how pixels are normalized
            assert torch.equal(value, seen[0][name])


def test_each_shard_drops_others(sharding):
    dropped = {}

    class Seen(network.Dropout):
        def forward(self, rows):
            kept = super().forward(rows)
            dropped[float(rows[0, 0])] = kept != 0
            return kept

    of = nn.Sequential(nn.Flatten(), Seen(0.5), nn.Linear(64, 10))
    images = torch.arange(1.0, 129.0).reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    whole = Batch(images, torch.zeros(128, dtype=torch.int64), whole=128)
    sharded = ShardedNetwork(of, sharding, scaled_loss)

    sharded.seed(0, "dropout", 1)
    sharded.backward(sharding.split(whole))

    masks = list(dropped.values())
    assert len(masks) == 4
    assert not any(torch.equal(masks[0], other) for other in masks[1:])


def test_the_network_goes_on_without_its_shards(sharding):
    of = made(NORMED)
    ShardedNetwork(of, sharding, scaled_loss).backward(sharding.split(batch(128)))

    scores = of.eval()(batch(8).images)

    assert scores.isfinite().all()
    assert list(of.state_dict()) == list(made(NORMED).state_dict())


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(128, [32] * 4), (64, [32] * 2), (63, [63]), (1, [1]), (130, [33, 33, 32, 32])],
)
def test_a_shard_has_as_many_images_as_pay(sharding, count, sizes):
    assert [len(each.labels) for each in sharding.split(batch(count))] == sizes


def test_operations_are_shared_where_there_are_no_shards():
    sharding = Sharding(None, 2)

    assert torch.get_num_threads() == sharding.threads == 2
    assert sharding.team.threads == 1
    assert [len(each.labels) for each in sharding.split(batch(128))] == [128]


def test_a_snapshot_brings_its_own_threads_back():
    sharding = Sharding(4, 2)

    sharding.use(None, 3)
    assert torch.get_num_threads() == sharding.threads == 3

    sharding.use(2, 3)
    assert torch.get_num_threads() == 1
    assert sharding.threads == sharding.team.threads == 2
    sharding.close()


@pytest.mark.parametrize(
    ("preset", "shards"),
    [("digits_seconds", 1), ("quick", 2), ("tutorial", 2), ("best", 4), ("fashion", 4)],
)
def test_more_work_is_cut_into_more_shards(preset, shards):
    assert shard_count(PRESETS[preset].spec) == shards


def test_no_shard_is_too_small_for_batch_norm(sharding):
    of_count = {count: sharding.split(batch(count)) for count in range(2, 4 * LEAST_IMAGES + 40)}

    for count, parts in of_count.items():
        assert min(len(part.labels) for part in parts) >= min(count, LEAST_IMAGES // 2)
