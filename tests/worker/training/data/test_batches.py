"""The same batches come again: after a stop, on several devices, streamed or not."""

import pytest
import torch

from core.spec.presets import resolve
from worker.training.data.batches import Batches, OnDevice, Streamed, source
from worker.training.data.datasets import Images

CPU = torch.device("cpu")
COUNT = 100


def images(channels=1):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 17, (COUNT, channels, 8, 8), dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(COUNT) % 10, 16)


def spec(**changes):
    return resolve(None, {"dataset": "digits", "batch_size": 16, **changes})


def epoch(chosen, number=1, done=0, **where):
    return list(Batches(chosen, images(), CPU, **where).epoch(number, done))


VARIED = {"augmentation": {"kind": "handwriting", "erase": 0.3}}
MIXES = {
    "plain": {},
    "augmented": VARIED,
    "mixup": {"regularization": {"mix": "mixup"}},
    "cutmix": VARIED | {"regularization": {"mix": "cutmix", "mixup_alpha": 1.0}},
}


@pytest.fixture(params=MIXES)
def changes(request):
    return MIXES[request.param]


def assert_same(some, others):
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert (one.other_labels is None) == (other.other_labels is None)
        if one.other_labels is not None:
            assert torch.equal(one.other_labels, other.other_labels)
            assert torch.equal(one.share, other.share)
        assert one.whole == other.whole


def test_an_epoch_goes_through_every_image_once():
    batches = epoch(spec())

    assert [len(batch.labels) for batch in batches] == [16] * 6 + [4]
    seen = torch.cat([batch.images for batch in batches])
    every = images().pixels.float() / 16
    assert {tuple(one.flatten().tolist()) for one in seen} == {
        tuple(one.flatten().tolist()) for one in every
    }


def test_streamed_batches_are_those_that_lie_on_the_device(changes):
    on_device = epoch(spec(data={"placement": "device"}, **changes))

    streamed = epoch(spec(data={"placement": "stream"}, **changes))

    assert_same(on_device, streamed)


def test_the_rest_of_an_epoch_is_what_a_stop_left_of_it(changes):
    whole = epoch(spec(**changes), number=2)

    assert_same(whole[3:], epoch(spec(**changes), number=2, done=3))


def test_another_epoch_and_another_seed_have_other_batches(changes):
    first = epoch(spec(**changes))[0]

    assert not torch.equal(first.images, epoch(spec(**changes), number=2)[0].images)
    assert not torch.equal(first.images, epoch(spec(seed=1, **changes))[0].images)


@pytest.mark.parametrize("processes", [2, 3])
def test_the_parts_of_several_processes_are_the_batch_of_one(changes, processes):
    whole = epoch(spec(**changes))

    parts = [epoch(spec(**changes), rank=rank, processes=processes) for rank in range(processes)]

    for number, batch in enumerate(whole):
        ours = [part[number] for part in parts]
        torch.testing.assert_close(torch.cat([each.images for each in ours]), batch.images)
        assert torch.equal(torch.cat([each.labels for each in ours]), batch.labels)
        if batch.other_labels is not None:
            assert torch.equal(torch.cat([each.other_labels for each in ours]), batch.other_labels)
        assert {each.whole for each in ours} == {len(batch.labels)}


def test_mixup_blends_each_image_with_the_one_whose_label_it_gets():
    plain = epoch(spec())[0]

    mixed = epoch(spec(**MIXES["mixup"]))[0]

    labels = plain.labels.tolist()
    for image, own, other in zip(mixed.images, plain.images, mixed.other_labels, strict=True):
        blends = [
            torch.lerp(plain.images[n], own, mixed.share.item())
            for n, label in enumerate(labels)
            if label == other
        ]
        assert any(torch.allclose(image, blend, atol=1e-6) for blend in blends)


def test_cutmix_tells_the_share_of_the_pixels_that_stayed():
    plain = epoch(spec())[0]

    mixed = epoch(spec(regularization={"mix": "cutmix", "mixup_alpha": 1.0}))[0]

    kept = (mixed.images == plain.images).float().mean((1, 2, 3))
    assert 0 < mixed.share < 1
    assert (kept >= mixed.share - 1e-6).all()


def test_a_batch_is_split_in_parts_of_which_none_is_empty():
    batch = epoch(spec(**MIXES["mixup"]))[0]

    parts = batch.split(5)

    assert [len(part.labels) for part in parts] == [4, 4, 4, 4]
    assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
    assert torch.equal(torch.cat([part.other_labels for part in parts]), batch.other_labels)
    assert {part.whole for part in parts} == {16}
    assert batch.split(16) == [batch]
    assert [len(part.labels) for part in batch.split(7)] == [6, 5, 5]


def test_streaming_draws_nothing_from_the_numbers_of_the_run():
    before = torch.get_rng_state()

    epoch(spec(data={"placement": "stream"}))

    assert torch.equal(torch.get_rng_state(), before)


def test_images_on_a_cpu_stay_in_their_mapped_files():
    assert isinstance(source("auto", images(), CPU), OnDevice)
    assert isinstance(source("stream", images(), CPU), Streamed)
