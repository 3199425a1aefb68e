"""Setup of a run: its data and its components, built from the spec in one fixed order.

The first weights are drawn right after torch is seeded, so nothing may draw between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.datasets.builtin import DATASETS
from core.spec.rates import Span
from worker.training import random
from worker.training.data import datasets
from worker.training.data.batches import Batches
from worker.training.data.datasets import Images
from worker.training.model import initial, network
from worker.training.model.ema import Average
from worker.training.optim.optimizers import Optimization, build_optimization
from worker.training.optim.schedule import LearningRate
from worker.training.run.context import RunContext
from worker.training.run.sharding import Sharding, shard_count, threads_for
from worker.training.run.snapshot_file import StatefulParts
from worker.training.run.step import Stepper


@dataclass(frozen=True, slots=True)
class RunData:
    """The images of a run, on its device."""

    batches: Batches
    """The batches to train on."""
    sizes: Tensor
    """float64 (batches of an epoch,): the images in each, over all processes."""
    span: Span
    validation: Images | None
    test: Images


def load_data(context: RunContext) -> RunData:
    """Load and split the dataset of a run.

    Raises:
        DataUnavailable: the dataset is damaged or missing.
    """
    spec, device, peers = context.spec, context.device, context.peers
    images, test = datasets.load(spec.dataset, context.data)
    train, validation = datasets.split(
        images,
        subset=spec.data.subset,
        validation=spec.data.validation,
        seed=spec.seed,
        classes=len(DATASETS[spec.dataset].classes),
    )
    test = test.to(device)
    validation = validation.to(device) if validation else None
    batches = Batches(spec, train, device, peers.rank, peers.size)
    count = len(batches.sizes)
    return RunData(
        batches=batches,
        sizes=torch.tensor(batches.sizes, dtype=torch.float64),
        span=Span(count * spec.epochs, count),
        validation=validation,
        test=test,
    )


@dataclass(frozen=True, slots=True)
class Components:
    """The network of a run, and the components that train it."""

    network: nn.Module
    optimization: Optimization
    learning_rate: LearningRate
    average: Average | None
    """The exponential moving average of the weights, where the spec asks for one."""
    stepper: Stepper
    sharding: Sharding
    """How their operations are spread over the threads of a CPU."""

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is measured and published: with the averaged weights, if any."""
        return self.network if self.average is None else self.average.network

    @property
    def stateful(self) -> StatefulParts:
        """The components whose state a snapshot holds, by their names in it."""
        parts: StatefulParts = {
            "network": self.network,
            "optimization": self.optimization,
            "stepper": self.stepper,
        }
        return parts if self.average is None else parts | {"average": self.average}


def build_components(
    context: RunContext, span: Span, on_micro_batch_reduced: Callable[[int], None]
) -> Components:
    """Build the network of a run, with its initial weights, and the components that train it.

    Args:
        context: of the run.
        span: its length.
        on_micro_batch_reduced: called with the new size, in images, when the device's memory was
            too small for larger micro-batches.
    """
    spec, device = context.spec, context.device
    random.seed_torch(spec.seed, device)
    built = network.build(spec.model, DATASETS[spec.dataset], normalize=spec.data.normalize)
    if context.initial_weights is not None:
        initial.load(built, context.initial_weights)
    trained = built.to(memory_format=torch.channels_last).to(device)
    trained.train()
    optimization = build_optimization(spec.optimizer, trained)
    decay = spec.regularization.ema
    average = Average(trained, decay) if decay else None
    sharding = Sharding(_shards(context), threads_for(device, context.threads))
    return Components(
        network=trained,
        optimization=optimization,
        learning_rate=LearningRate(spec.schedule, span, optimization),
        average=average,
        stepper=Stepper(
            spec,
            trained,
            optimization,
            average,
            device,
            context.peers,
            on_micro_batch_reduced,
            sharding,
            context.precision,
        ),
        sharding=sharding,
    )


def _shards(context: RunContext) -> int | None:
    """The shards of a batch; None where they are not for this run.

    A GPU needs none, a compiled network is one piece, and the processes of a group add their
    gradients up while they are computed.
    """
    is_one_piece = context.spec.compute.compile or context.peers.size > 1
    if context.device.type != "cpu" or is_one_piece:
        return None
    return shard_count(context.spec)
