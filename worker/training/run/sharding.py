"""How a run uses the threads of a CPU: each batch is computed in shards, several at once.

The usual way, threads that share each single operation and meet after it, is as slow as the thread
whose core a neighbor has taken, at each of a thousand meetings a second: one busy process beside a
small network's run made it thirty times slower. Here the threads meet once a batch, and a shard
whose thread has no core is done by another (`worker.training.team`).

How many shards there are is a function of the spec, and their gradients are added up in a fixed
order. So the bytes of a run do not depend on how many threads computed it.

Batch norm normalizes each shard by itself (Hoffer and others, 2017, call that ghost batch norm),
and remembers the mean of what the shards have seen.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from core.datasets.builtin import DATASETS
from core.spec import shapes
from core.spec.spec import TrainingSpec
from worker.training import random
from worker.training.data.batches import Batch
from worker.training.model.network import Dropout
from worker.training.team import Team

LEAST_IMAGES = 32
"""Images of a shard: smaller ones take more time an image, by their operations' fixed costs."""
LEAST_MACS = 25_000_000
"""MACs of a shard's forward pass, below which a second thread costs more than it does."""
MOST = 8

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)

THREADS_BESIDE_A_GPU = 4
"""What a run on a GPU does on the host, exports mostly, takes longer with more, which wait for each
other: `quick` on an H100 with 16 cores took 0.39 s with one, 0.32 with four, 0.51 with sixteen."""

ScaledLoss = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]


def shard_count(spec: TrainingSpec) -> int:
    """The shards of a whole batch; 1: it is computed by one thread."""
    an_image = shapes.summary(spec.model, DATASETS[spec.dataset]).multiply_adds
    macs = an_image * spec.batch_size
    return max(1, min(spec.batch_size // LEAST_IMAGES, macs // LEAST_MACS, MOST))


def threads_for(device: torch.device, threads: int) -> int:
    """The threads that a run computes with, of those that it may have."""
    return threads if device.type == "cpu" else min(threads, THREADS_BESIDE_A_GPU)


class Sharding:
    """How the operations of one run are spread over threads."""

    def __init__(self, shards: int | None, threads: int) -> None:
        """Set torch's threads, for the whole process.

        Args:
            shards: of a whole batch; None: each operation is shared by all threads, as torch does
                it. Then the bytes of a run depend on the threads.
            threads: that the run may compute with.
        """
        self._threads = threads
        self._before = torch.get_num_threads()
        self.team = Team()
        self.shards: int | None
        self.use(shards, threads)

    @property
    def threads(self) -> int:
        """The threads that compute."""
        return torch.get_num_threads() if self.shards is None else self._threads

    def use(self, shards: int | None, threads: int | None = None) -> None:
        """Change to what a snapshot was computed with.

        Args:
            shards: as above.
            threads: what shared operations are shared by; None: all that the run may have.
        """
        self.team.close()
        self.shards = shards
        torch.set_num_threads((threads or self._threads) if shards is None else 1)
        self.team = Team(1 if shards is None else self._threads)

    def close(self) -> None:
        """Let the threads go, and give torch those that it had before."""
        self.team.close()
        torch.set_num_threads(self._before)

    def split(self, part: Batch) -> list[Batch]:
        """The shards of a batch, or of a micro-batch."""
        count = len(part.labels)
        shards = max(1, min(self.shards or 1, count // LEAST_IMAGES))
        return part.split(-(-count // shards))


class ShardedNetwork:
    """A network that computes the gradients of several shards at once.

    Each shard has a replica of the network: the same weights, and statistics of batch norm of its
    own.
    """

    def __init__(self, network: nn.Module, sharding: Sharding, scaled_loss: ScaledLoss) -> None:
        self._sharding = sharding
        self._scaled_loss = scaled_loss
        self._weights = [each for each in network.parameters() if each.requires_grad]
        count = sharding.shards or 1
        self._replicas = [network, *(_replica(network) for _ in range(count - 1))]
        self._statistics = [_statistics(each) for each in self._replicas]
        self._dropouts = [_seeded_dropouts(each) for each in self._replicas]

    def seed(self, seed: int, *place: str | int) -> None:
        """Seed what the shards of the next batch draw."""
        for shard, dropouts in enumerate(self._dropouts):
            for layer, dropout in enumerate(dropouts):
                assert dropout.generator is not None
                dropout.generator.manual_seed(random.seed_for(seed, *place, shard, layer))

    def backward(self, parts: Sequence[Batch]) -> Tensor:
        """Add the gradients of shards to those of the weights; return the sum of their losses."""
        statistics = self._statistics[: len(parts)]
        if statistics[0]:
            for stale in statistics[1:]:
                torch._foreach_copy_(stale, statistics[0])

        def compute(number: int) -> tuple[Tensor, Sequence[Tensor]]:
            loss, scaled = self._scaled_loss(self._replicas[number], parts[number])
            return loss, torch.autograd.grad(scaled, self._weights)

        results = self._sharding.team.map(compute, len(parts))
        with torch.no_grad():
            _average_into_first(statistics)
            (loss, gradients), *others = results
            total = list(gradients)
            for other_loss, other in others:
                loss = loss + other_loss
                torch._foreach_add_(total, list(other))
            self._accumulate(total)
        return loss

    def _accumulate(self, gradients: Sequence[Tensor]) -> None:
        for weight, gradient in zip(self._weights, gradients, strict=True):
            if weight.grad is not None:
                weight.grad.add_(gradient)
            elif gradient.stride() == weight.stride():
                weight.grad = gradient
            else:  # optimizers walk through both in the order of their memory
                weight.grad = torch.empty_like(weight).copy_(gradient)


def _replica(network: nn.Module) -> nn.Module:
    own = {id(each) for each in _memories(network)}
    shared = [*network.parameters(), *network.buffers()]
    memo = {id(each): each for each in shared if id(each) not in own}
    return copy.deepcopy(network, memo)  # what the memo has is not copied


def _memories(network: nn.Module) -> Iterator[Tensor]:
    """What batch norm remembers."""
    for each in network.modules():
        if isinstance(each, _NORMS):
            yield from each.buffers()


def _statistics(network: nn.Module) -> list[Tensor]:
    """What batch norm remembers, but for the number of batches."""
    return [each for each in _memories(network) if each.is_floating_point()]


def _seeded_dropouts(network: nn.Module) -> list[Dropout]:
    """The dropouts of a network, each with random numbers of its own from now on."""
    found = [each for each in network.modules() if isinstance(each, Dropout) and each.p]
    for each in found:
        each.generator = torch.Generator()
    return found


def _average_into_first(statistics: Sequence[list[Tensor]]) -> None:
    first, *others = statistics
    if not others or not first:
        return
    for other in others:
        torch._foreach_add_(first, other)
    torch._foreach_mul_(first, 1 / len(statistics))
