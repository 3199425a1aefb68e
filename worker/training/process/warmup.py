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
from core.spec.rates import Span
from core.spec.spec import TrainingSpec
from worker.training.data import datasets
from worker.training.data.batches import Batch
from worker.training.run.context import RunContext
from worker.training.run.setup import build_components

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
    context = RunContext(
        spec=spec,
        data=Path(),
        scratch=Path(),
        device=device,
        threads=threads,
        report=lambda _report: None,
    )
    steps = STEPS[device.type]
    components = build_components(context, Span(steps, steps), lambda _images: None)
    dataset = DATASETS[spec.dataset]
    images = torch.zeros(
        (spec.batch_size, dataset.channels, dataset.size, dataset.size), device=device
    ).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(spec.batch_size, dtype=torch.int64, device=device)
    try:
        batch = Batch(images, labels, whole=len(labels))
        for number in range(1, steps + 1):
            components.stepper.take(batch, 1, number, number - 1, measure=False)
    finally:
        components.sharding.close()
