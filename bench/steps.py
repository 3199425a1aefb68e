"""From the tutorial's run to the `quick` preset, step by step: `make bench-steps`.

Each row changes one thing more, and trains as long as it needs for the tutorial's headline: one
epoch where that is enough. Below them, changes to the last row that were tried and are not in it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from typing import Any

import torch

from core import settings
from core.spec.presets import resolve
from trainyard import train
from worker.cores import usable_cores

Changes = dict[str, Any]

MOMENTUM = {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True}
SMALL = {
    "kernel_size": 3,
    "channels": [8, 16, 32],
    "stem": "stride",
    "pooling": "every",
    "batch_norm": True,
}

STEPS: list[tuple[str, Changes]] = [
    ("the tutorial's run in this engine, ten epochs", {}),
    ("batch norm after each convolution: two epochs", {"model": {"batch_norm": True}, "epochs": 2}),
    (
        "momentum and one cycle: one epoch",
        {"optimizer": MOMENTUM, "schedule": {"kind": "one_cycle"}, "epochs": 1},
    ),
    ("kernels of 3, channels 16, 32, 64", {"model": {"kernel_size": 3, "channels": [16, 32, 64]}}),
    ("a strided stem, a pool after each", {"model": {"stem": "stride", "pooling": "every"}}),
    ("channels 8, 16, 32", {"model": {"channels": [8, 16, 32]}}),
    ("batches of 128", {"batch_size": 128}),
    (
        "normalized images, a little weight decay",
        {"data": {"normalize": True}, "optimizer": {"weight_decay": 0.0005}},
    ),
]

TRIED: list[tuple[str, Changes]] = [
    ("batches of 256, rate 0.2", {"batch_size": 256, "optimizer": {"learning_rate": 0.2}}),
    ("rate 0.3", {"optimizer": {"learning_rate": 0.3}}),
    ("AdamW, rate 0.01", {"optimizer": {"kind": "adamw", "learning_rate": 0.01}}),
    ("Muon", {"optimizer": {"kind": "muon"}}),
    ("batches of 192, rate 0.15", {"batch_size": 192, "optimizer": {"learning_rate": 0.15}}),
    ("50,000 of the images", {"data": {"subset": 50_000}}),
    ("45,000 of the images", {"data": {"subset": 45_000}}),
    ("half of the images", {"data": {"subset": 30_000}}),
    ("channels 8, 32, 64", {"model": {"channels": [8, 32, 64]}}),
    ("label smoothing 0.1", {"regularization": {"label_smoothing": 0.1}}),
    ("averaged weights, 0.98", {"regularization": {"ema": 0.98}}),
    ("bf16", {"compute": {"precision": "bf16"}}),
]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(usable_cores())
    print("| step | test accuracy | seconds |\n|---|---|---|")
    so_far: Changes = {}
    for name, changes in STEPS:
        so_far = _merged(so_far, changes)
        _row(name, so_far, 1 if so_far.get("epochs", 10) == 10 else chosen.seeds)
    _row("**quick**", None, chosen.seeds)
    for name, changes in TRIED:
        _row(f"quick, but {name}", _merged(so_far, changes), chosen.seeds)


def _row(name: str, changes: Changes | None, seeds: int) -> None:
    results = [_train(changes, seed) for seed in range(seeds)]
    accuracies, seconds = zip(*results, strict=True)
    all_of_them = ", ".join(f"{each:.2%}" for each in accuracies)
    print(f"| {name} | {all_of_them} | {statistics.median(seconds):.1f} |", flush=True)


def _train(changes: Changes | None, seed: int) -> tuple[float, float]:
    spec = (
        resolve("quick", {"seed": seed})
        if changes is None
        else resolve("tutorial", changes | {"seed": seed})
    )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = train(spec, data=settings.load().data_folder, folder=folder, progress=False)
    return result.test_accuracy, time.perf_counter() - began


def _merged(base: Changes, changes: Changes) -> Changes:
    merged = dict(base)
    for name, value in changes.items():
        before = merged.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            same = value.get("kind", before.get("kind")) == before.get("kind")
            merged[name] = before | value if same else value
        else:
            merged[name] = value
    return merged


if __name__ == "__main__":
    main()
