"""One step: in one part or several, in another precision, with a memory that is too small."""

import copy
import functools
import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from core.datasets.builtin import DATASETS
from core.spec import rules
from core.spec.hyperparameters import Hyperparameters
from core.spec.presets import resolve
from worker.training.data.batches import Batch
from worker.training.model.ema import Average
from worker.training.optim.optimizers import build_optimization
from worker.training.run.distributed import SingleProcess
from worker.training.run.sharding import Sharding
from worker.training.run.step import Stepper

CPU = torch.device("cpu")


class Small(nn.Module):
    """A network whose device has no room for more than `room` images at once."""

    def __init__(self, room=10_000):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))
        self.room = room
        self.seen = []

    def forward(self, images):
        self.seen.append(len(images))
        if len(images) > self.room:
            raise torch.OutOfMemoryError
        return self.layers(images)


def batch(count=12):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand((count, 1, 8, 8), generator=generator)
    return Batch(images, torch.arange(count) % 10, whole=count)


def stepper(network, average=None, shrunk=None, **changes):
    spec = resolve("tutorial", {"dataset": "digits", "batch_size": 12, **changes})
    return stepper_of(spec, network, average, shrunk)


def stepper_of(spec, network, average=None, shrunk=None):
    optimization = build_optimization(spec.optimizer, network)
    return Stepper(
        spec,
        network,
        optimization,
        average,
        CPU,
        SingleProcess(),
        shrunk or (lambda size: pytest.fail(f"shrunk to {size}")),
        Sharding(1, 1),
    )


def take(made, of=None, *, measure=False):
    return made.take(of or batch(), 1, 1, 0, measure=measure)


def weights(network):
    return torch.cat([each.detach().flatten() for each in network.parameters()])


def test_a_step_moves_against_the_gradient_of_the_mean_loss():
    network = Small()
    before = copy.deepcopy(network)
    expected = functional.cross_entropy(before(batch().images), batch().labels)
    expected.backward()

    loss, norm = take(stepper(network))

    assert loss.item() == expected.item()
    assert norm is None
    for now, then in zip(network.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(now.detach(), then.detach() - 0.1 * then.grad)


@pytest.mark.parametrize("parts", [2, 5, 12])
def test_a_batch_in_parts_is_the_same_step(parts):
    whole, in_parts = Small(), Small()

    loss, _ = take(stepper(whole))
    loss_of_parts, _ = take(stepper(in_parts, micro_batches=parts))

    torch.testing.assert_close(weights(in_parts), weights(whole))
    torch.testing.assert_close(loss_of_parts, loss)
    assert max(in_parts.seen) == -(-12 // parts)


def test_too_little_memory_makes_the_micro_batches_smaller_and_the_step_stays():
    whole, small = Small(), Small(room=3)
    reported = []
    made = stepper(small, shrunk=reported.append)

    take(stepper(whole))
    take(made)

    assert reported == [6, 3]
    assert made.micro_batch == 3
    torch.testing.assert_close(weights(small), weights(whole))


def test_the_next_batch_is_computed_in_small_parts_at_once():
    small = Small(room=3)
    made = stepper(small, shrunk=lambda _: None)
    take(made)
    small.seen.clear()

    take(made)

    assert small.seen == [3, 3, 3, 3]


def test_a_memory_without_room_for_one_image_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        take(stepper(Small(room=0), shrunk=lambda _: None))


def test_a_small_batch_that_fits_is_not_cut():
    small = Small(room=3)
    made = stepper(small, shrunk=lambda _: None)
    take(made)
    small.seen.clear()

    take(made, batch(3))

    assert small.seen == [3]


def narrow(**changes):
    """A spec whose batch norm sees maps of a single pixel."""
    model = {"kind": "cnn", "channels": [4] * 6, "kernel_size": 3, "batch_norm": True}
    made = resolve("tutorial", {"dataset": "digits", "device": "cpu", "model": model})
    return Hyperparameters.model_validate(made.model_dump() | changes)


def shares(images, devices):
    """How many images of a batch each device gets."""
    return {len(share) for share in torch.arange(images).tensor_split(devices)}


@functools.cache
def sizes(images, largest):
    """The sizes of the parts of a share, where batch norm needs two images."""
    return [len(part.labels) for part in batch(images).split(largest, 2)]


@pytest.mark.parametrize("devices", [1, 2, 3, 4])
def test_whatever_is_accepted_leaves_no_part_that_batch_norm_cannot_work_on(devices):
    """Every batch size, number of parts, last batch, and every halving after a full memory."""
    accepted, spec = 0, narrow(devices=devices)
    for size, parts, rest in itertools.product(range(1, 14), range(1, 8), range(13)):
        tried = spec.model_copy(update={"batch_size": size, "micro_batches": parts})
        images = 2 * size + rest % size
        dataset = replace(DATASETS["digits"], train_count=images)
        if rest >= size or list(rules.mistakes(tried, dataset)):
            continue
        accepted += 1
        largest = math.ceil(math.ceil(size / devices) / parts)
        of_batches = shares(size, devices) | shares(images % size or size, devices)
        for share in of_batches:
            for micro_batch in range(2, largest + 1):
                assert min(sizes(share, micro_batch)) >= 2, (size, parts, rest, micro_batch)
                assert max(sizes(share, micro_batch)) <= max(3, micro_batch)
                assert sum(sizes(share, micro_batch)) == share
    assert accepted > 20


def test_a_memory_that_fills_up_leaves_no_part_of_one_image_to_batch_norm():
    spec = narrow(batch_size=13)
    small = Small(room=4)
    made = stepper_of(spec, small, shrunk=lambda _: None)

    take(made, batch(13))

    assert made.micro_batch == 4
    small.room = 3
    small.seen.clear()
    take(made, batch(13))
    assert small.seen[-6:] == [3, 2, 2, 2, 2, 2]


def test_batch_norm_does_not_remember_what_was_tried_in_vain():
    class Normed(Small):
        def __init__(self, room):
            super().__init__(room)
            self.norm = nn.BatchNorm2d(1)

        def forward(self, images):
            return super().forward(self.norm(images))

    network = Normed(room=3)

    take(stepper(network, shrunk=lambda _: None))

    assert network.norm.num_batches_tracked == 4


def test_the_parts_are_remembered_by_the_state():
    made = stepper(Small(room=3), shrunk=lambda _: None)
    take(made)
    again = stepper(Small(room=3))

    again.load_state_dict(made.state_dict())
    take(again)

    assert again.micro_batch == 3


def test_the_norm_of_the_gradient_is_measured_where_it_is_wanted():
    network = Small()
    loss = functional.cross_entropy(network(batch().images), batch().labels)
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    expected = torch.cat([each.flatten() for each in gradients]).norm()

    _, norm = take(stepper(network), measure=True)

    torch.testing.assert_close(norm, expected)


def test_clipping_shortens_the_step_and_tells_the_norm_before():
    free, clipped = Small(), Small()
    start = weights(free)

    _, norm = take(stepper(free), measure=True)
    _, before = take(stepper(clipped, regularization={"gradient_clip": 0.1}))

    torch.testing.assert_close(before, norm)
    assert (weights(clipped) - start).norm().item() == pytest.approx(0.1 * 0.1, rel=1e-3)
    assert (weights(free) - start).norm() > 0.02


def test_label_smoothing_spreads_the_labels():
    network = Small()
    expected = functional.cross_entropy(
        network(batch().images), batch().labels, label_smoothing=0.2
    )

    loss, _ = take(stepper(network, regularization={"label_smoothing": 0.2}))

    torch.testing.assert_close(loss, expected.detach())


def test_the_hinge_loss_is_torchs():
    network = Small()
    expected = functional.multi_margin_loss(network(batch().images), batch().labels)

    loss, _ = take(stepper(network, loss="multi_margin"))

    torch.testing.assert_close(loss, expected.detach())


def test_mixed_images_count_for_both_labels():
    network = Small()
    mixed = Batch(
        batch().images, batch().labels, (batch().labels + 1) % 10, torch.tensor(0.7), whole=12
    )
    scores = network(mixed.images)
    expected = 0.7 * functional.cross_entropy(
        scores, mixed.labels
    ) + 0.3 * functional.cross_entropy(scores, mixed.other_labels)

    loss, _ = take(stepper(network), mixed)

    torch.testing.assert_close(loss, expected.detach())


def test_bf16_computes_the_scores_in_bf16_and_keeps_the_weights_in_fp32():
    network, full = Small(), Small()
    seen = []
    network.layers.register_forward_hook(lambda _m, _i, scores: seen.append(scores.dtype))
    made = stepper(network, compute={"precision": "bf16"})

    loss, _ = take(made)
    exact, _ = take(stepper(full))

    assert seen == [torch.bfloat16]
    assert made.precision == "bf16"
    assert {each.dtype for each in network.parameters()} == {torch.float32}
    assert 0 < abs(loss.item() - exact.item()) < 0.01


def test_auto_is_fp32_on_a_cpu():
    assert stepper(Small()).precision == "fp32"


def test_the_average_follows_each_step():
    network = Small()
    average = Average(network, 0.5)
    start = weights(network)

    take(stepper(network, average))

    torch.testing.assert_close(
        weights(average.network), start + (weights(network) - start) * (1 - 2 / 11)
    )


def test_dropout_is_a_function_of_the_place_in_the_run():
    def after(epoch, number, seed=0):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10))
        torch.manual_seed(seed)
        made = stepper(network)
        return made.take(batch(), epoch, number, 0, measure=False)[0].item()

    assert after(1, 5) == after(1, 5, seed=9)
    assert after(1, 5) != after(1, 6)
    assert after(1, 5) != after(2, 5)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "optimizer",
    [
        {"kind": "sgd", "learning_rate": 0.1},
        {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
        {"kind": "adamw", "learning_rate": 0.01},
        {"kind": "rmsprop", "learning_rate": 0.01},
    ],
    ids=["sgd", "momentum", "adamw", "rmsprop"],
)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_captured_step_is_the_step(gpu, optimizer, clip):
    spec = resolve(
        "tutorial",
        {
            "dataset": "digits",
            "batch_size": 12,
            "device": "cuda",
            "optimizer": optimizer,
            "regularization": {"gradient_clip": clip},
            "compute": {"precision": "fp32"},
        },
    )
    results = []
    for is_captured in (False, True):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
        ).to(gpu)
        optimization = build_optimization(spec.optimizer, network)
        made = Stepper(
            spec,
            network,
            optimization,
            None,
            gpu,
            SingleProcess(),
            pytest.fail,
            Sharding(None, 1),
        )
        if not is_captured:
            made._capture = None
        on_gpu = Batch(batch().images.to(gpu), batch().labels.to(gpu), whole=12)
        losses = []
        for number in range(1, 6):
            optimization.set_lr_factor(1 / number)
            loss, _ = made.take(on_gpu, 1, number, number - 1, measure=number == 4)
            losses.append(loss.item())
        results.append((losses, weights(network), network[1].running_mean.clone()))

    for eager, captured in zip(*results, strict=True):
        torch.testing.assert_close(torch.as_tensor(captured), torch.as_tensor(eager))
