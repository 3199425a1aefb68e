"""What a spare does before it is needed: all that the first batch of any run would wait for.

The first step of a process creates torch's threads, its kernels and, on a GPU, the CUDA context;
the first look at a dataset reads it from the disk.
"""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from core import formats
from core.datasets.builtin import DATASETS
from core.protocol.orders import DeviceKind
from core.spec.presets import resolve
from core.spec.spec import TrainingSpec
from worker.training.data import datasets
from worker.training.data.batches import Batch
from worker.training.model.network import build
from worker.training.optim.optimizers import build_optimization
from worker.training.run.distributed import SingleProcess
from worker.training.run.sharding import Sharding, shard_count, threads_for
from worker.training.run.step import Stepper

# not by the zygote: onnxruntime starts a thread
EXPORTERS = ("onnx", "onnxruntime", "safetensors.torch")

PRESETS_ON: dict[DeviceKind, Sequence[str]] = {"cpu": ("tutorial",), "cuda": ("tutorial", "quick")}
"""A GPU loads each kernel when it is first needed, and networks differ in theirs."""
STEPS = {"cpu": 1, "cuda": 2}
"""On a GPU the second step is the first that is captured."""

log = logging.getLogger(__name__)


def warm_up(threads: int, device: DeviceKind, data: Path) -> None:
    """Take the first steps of usual runs on blank images, and map the datasets that are there.

    Nothing that is learned or drawn here stays: a run seeds its own random numbers.
    """
    try:
        for preset in PRESETS_ON[device]:
            _steps(resolve(preset), torch.device(device), threads)
        _give_back_memory(device)
        for name in DATASETS:
            if datasets.is_present(name, data):
                datasets.load(name, data)
        formats.number(0.0)  # Babel reads its locale's data at the first number
        for name in EXPORTERS:
            importlib.import_module(name)
    except Exception:
        # a run will meet the same fault, and explain it on its page
        log.exception("the spare could not warm up")


def _give_back_memory(device: DeviceKind) -> None:
    """Leave to the runs on the same GPU what torch would keep for the next step."""
    if device == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def _steps(spec: TrainingSpec, device: torch.device, threads: int) -> None:
    """Take steps as a run of a spec does, with blank images."""
    dataset = DATASETS[spec.dataset]
    network = build(spec.model, dataset, normalize=spec.data.normalize)
    network = network.to(memory_format=torch.channels_last).to(device).train()
    images = torch.zeros(
        (spec.batch_size, dataset.channels, dataset.size, dataset.size), device=device
    ).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(spec.batch_size, dtype=torch.int64, device=device)
    shards = shard_count(spec) if device.type == "cpu" else None
    sharding = Sharding(shards, threads_for(device, threads))
    stepper = Stepper(
        spec,
        network,
        build_optimization(spec.optimizer, network),
        None,
        device,
        SingleProcess(),
        lambda _images: None,
        sharding,
    )
    try:
        batch = Batch(images, labels, whole=len(labels))
        for number in range(1, STEPS[device.type] + 1):
            stepper.take(batch, 1, number, number - 1, measure=False)
    finally:
        sharding.close()
