"""What a spare does before it is needed: all that the first batch of any run would wait for.

The first step of a process creates torch's threads, its kernels and, on a GPU, the CUDA context;
the first look at a dataset reads it from the disk.
"""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from core import formats
from core.datasets.builtin import DATASETS
from core.protocol.orders import DeviceKind
from core.spec.spec import TrainingSpec
from worker.training.data import datasets
from worker.training.data.batches import Batch
from worker.training.model.network import build
from worker.training.optim.optimizers import build_optimization
from worker.training.run.sharding import ShardedNetwork, Sharding, shard_count

# not by the zygote: onnxruntime starts a thread
EXPORTERS = ("onnx", "onnxruntime", "safetensors.torch")

log = logging.getLogger(__name__)


def warm_up(threads: int, device: DeviceKind, data: Path) -> None:
    """Take one step of the default run on blank images, and map the datasets that are there.

    Nothing that is learned or drawn here stays: a run seeds its own random numbers.
    """
    try:
        _step(torch.device(device), threads)
        for name in DATASETS:
            if datasets.is_present(name, data):
                datasets.load(name, data)
        formats.number(0.0)  # Babel reads its locale's data at the first number
        for name in EXPORTERS:
            importlib.import_module(name)
    except Exception:
        # a run will meet the same fault, and explain it on its page
        log.exception("the spare could not warm up")


def _step(device: torch.device, threads: int) -> None:
    spec = TrainingSpec()
    dataset = DATASETS[spec.dataset]
    network = build(spec.model, dataset).to(memory_format=torch.channels_last).to(device)
    optimization = build_optimization(spec.optimizer, network)
    images = torch.zeros(
        (spec.batch_size, dataset.channels, dataset.size, dataset.size), device=device
    ).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(spec.batch_size, dtype=torch.int64, device=device)
    sharding = Sharding(shard_count(spec) if device.type == "cpu" else None, threads)
    try:
        batch = Batch(images, labels, whole=len(labels))
        ShardedNetwork(network, sharding, _loss).backward(sharding.split(batch))
    finally:
        sharding.close()
    for optimizer in optimization.optimizers:
        optimizer.step()


def _loss(network: nn.Module, part: Batch) -> tuple[Tensor, Tensor]:
    loss = functional.cross_entropy(network(part.images), part.labels)
    return loss.detach(), loss
