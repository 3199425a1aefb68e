"""The runs that the coach is measured by, and what is wrong with each by how it was built.

What is wrong was decided before any rule saw the curves. `python -m bench.coached` trains those
that are not there yet, and keeps their curves in `tests/core/coach/runs/`, which the tests read.
"""

# ruff: noqa: E501  # a run a line: the plan is a table

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core import settings
from core.protocol.reports import EpochEnd, Evaluated, Finished, Report, Started, StepMetrics
from core.spec.presets import resolve
from core.spec.spec import nest
from worker.training.data import download
from worker.training.run import loop
from worker.training.run.context import RunContext
from worker.training.run.divergence import Diverged

RUNS = Path(__file__).parents[1] / "tests" / "core" / "coach" / "runs"
MOST_SAMPLES = 60
"""Metric samples that are kept of a run: its curve is no finer in a picture."""
WRONG_LABELS = 0.06
"""Share of the labels that are made wrong in the noisy digits."""
DIGITS = 5
"""Significant digits of the numbers that are kept."""

OF_EPOCHS = (
    "epoch",
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
    "learning_rate",
)

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Planned:
    """A run to be made."""

    name: str
    truth: tuple[str, ...]
    """The rules that are to speak; none: it is a good run."""
    changes: Mapping[str, Any]
    """To the defaults, or to a preset, by dotted names."""
    preset: str | None = None
    tolerated: tuple[str, ...] = field(default=())
    """Rules that may speak too: they count neither for nor against."""
    noisy: bool = False
    """Whether some of its labels are made wrong."""


PLAIN = {"model.kind": "cnn", "model.kernel_size": 3, "model.channels": [16, 32]}
NORMED = {**PLAIN, "model.batch_norm": True, "data.normalize": True}
MLP = {"model.kind": "mlp", "model.hidden": [128, 64], "data.normalize": True}
SGD = {"optimizer.kind": "sgd", "optimizer.momentum": 0.9, "optimizer.nesterov": True}
ONE_CYCLE = {"schedule.kind": "one_cycle"}
COSINE = {"schedule.kind": "cosine"}
ON_DIGITS = {"dataset": "digits", "batch_size": 64}
ON_FASHION = {"dataset": "fashion_mnist", "batch_size": 64, "data.subset": 3000}
ON_MNIST = {"dataset": "mnist", "batch_size": 64, "data.subset": 3000}


def _rate(kind: str, rate: float) -> JSON:
    return {"optimizer.kind": kind, "optimizer.learning_rate": rate}


def _good() -> list[Planned]:
    augmented = {"augmentation.kind": "handwriting", "augmentation.shift": 1}
    rates = {
        "sgd-0.05": {**SGD, "optimizer.learning_rate": 0.05},
        "adamw-0.01": _rate("adamw", 0.01),
    }
    made = [
        Planned(f"good-preset-{seed}", (), {"seed": seed}, preset="digits_seconds")
        for seed in (0, 1, 2)
    ]
    made += [
        Planned(
            f"good-{name}-{size}",
            (),
            {**ON_DIGITS, **NORMED, **rate, **ONE_CYCLE, "epochs": 15, "batch_size": size},
        )
        for name, rate in rates.items()
        for size in (32, 96)
    ]
    made += [
        Planned("good-mlp", (), {**ON_DIGITS, **MLP, **_rate("adam", 0.003), **COSINE, "epochs": 15}),
        Planned("good-plain", (), {**ON_DIGITS, **PLAIN, **SGD, "optimizer.learning_rate": 0.05, **COSINE, "epochs": 20}),
        Planned("good-resnet", (), {**ON_DIGITS, "model.kind": "resnet", "model.width": 8, "data.normalize": True, **_rate("adamw", 0.01), **ONE_CYCLE, "epochs": 12}),
        Planned("good-rmsprop", (), {**ON_DIGITS, **NORMED, **_rate("rmsprop", 0.002), **COSINE, "epochs": 15}),
        Planned("good-muon", (), {**ON_DIGITS, **NORMED, **_rate("muon", 0.02), **COSINE, "epochs": 10}),
        Planned("good-augmented", (), {**ON_DIGITS, **NORMED, **augmented, **_rate("adamw", 0.01), **ONE_CYCLE, "epochs": 25, "data.validation": 0.15}),
        Planned("good-step", (), {**ON_DIGITS, **NORMED, **SGD, "optimizer.learning_rate": 0.05, "schedule.kind": "step", "schedule.every": 6, "epochs": 16}),
        Planned("good-fashion", (), {**ON_FASHION, **NORMED, **_rate("adamw", 0.005), **ONE_CYCLE, "epochs": 8, "augmentation.kind": "clothes"}),
        Planned("good-mnist", (), {**ON_MNIST, **NORMED, **SGD, "optimizer.learning_rate": 0.05, **ONE_CYCLE, "epochs": 6}),
        Planned("good-margin", (), {**ON_DIGITS, **NORMED, "loss": "multi_margin", **_rate("adamw", 0.005), **ONE_CYCLE, "epochs": 15}),
        Planned("good-smoothed", (), {**ON_DIGITS, **NORMED, **_rate("adamw", 0.01), **ONE_CYCLE, "epochs": 15, "regularization.label_smoothing": 0.1, "model.dropout": 0.3}),
    ]  # fmt: skip
    return made


def _rates() -> list[Planned]:
    """Learning rates far too small, too small, and too large."""
    still = ("still_improving",)
    high = ("saturated",)
    return [
        Planned("flat-sgd", ("not_learning",), {**ON_DIGITS, **PLAIN, **_rate("sgd", 1e-5), "epochs": 8}, tolerated=("too_slow",)),
        Planned("flat-adam", ("not_learning",), {**ON_DIGITS, **PLAIN, **_rate("adam", 1e-7), "epochs": 8}, tolerated=("too_slow",)),
        Planned("flat-mlp", ("not_learning",), {**ON_DIGITS, **MLP, "model.hidden": [64, 64, 64, 64], **_rate("sgd", 3e-5), "epochs": 8}, tolerated=("too_slow",)),
        Planned("flat-fashion", ("not_learning",), {**ON_FASHION, **PLAIN, **_rate("sgd", 1e-5), "epochs": 5}, tolerated=("too_slow",)),
        Planned("flat-step", ("not_learning",), {**ON_DIGITS, **PLAIN, **_rate("sgd", 2e-5), "epochs": 12, **COSINE}, tolerated=("too_slow",)),
        Planned("slow-sgd", ("too_slow",), {**ON_DIGITS, **PLAIN, **_rate("sgd", 0.001), "epochs": 15}, tolerated=(*still, "not_learning")),
        Planned("slow-momentum", ("too_slow",), {**ON_DIGITS, **NORMED, **SGD, "optimizer.learning_rate": 2e-4, "epochs": 12}, tolerated=still),
        Planned("slow-adam", ("too_slow",), {**ON_DIGITS, **PLAIN, **_rate("adam", 5e-5), "epochs": 12}, tolerated=still),
        Planned("slow-mlp", ("too_slow",), {**ON_DIGITS, **MLP, **_rate("sgd", 0.002), "epochs": 12}, tolerated=still),
        Planned("slow-fashion", ("too_slow",), {**ON_FASHION, **NORMED, **_rate("sgd", 3e-4), "epochs": 6}, tolerated=still),
        Planned("slow-mnist", ("too_slow",), {**ON_MNIST, **MLP, **_rate("adam", 1e-5), "epochs": 6}, tolerated=still),
        Planned("high-dead-sgd", ("too_high",), {**ON_DIGITS, **PLAIN, **SGD, "optimizer.learning_rate": 2.0, "epochs": 10}, tolerated=high),
        Planned("high-dead-adam", ("too_high",), {**ON_DIGITS, **PLAIN, **_rate("adam", 1.0), "epochs": 10}, tolerated=high),
        Planned("high-mlp", ("too_high",), {**ON_DIGITS, **MLP, **_rate("adam", 0.1), "epochs": 12}, tolerated=high),
        Planned("high-normed", ("too_high",), {**ON_DIGITS, **NORMED, **SGD, "optimizer.learning_rate": 5.0, "epochs": 12}, tolerated=high),
        Planned("high-rmsprop", ("too_high",), {**ON_DIGITS, **PLAIN, **_rate("rmsprop", 0.05), "epochs": 12}, tolerated=high),
        Planned("high-muon", ("too_high",), {**ON_DIGITS, **NORMED, **_rate("muon", 3.0), "epochs": 10}, tolerated=high),
        Planned("high-fashion", ("too_high",), {**ON_FASHION, **PLAIN, **_rate("adam", 0.05), "epochs": 6}, tolerated=high),
        Planned("high-plain", ("too_high",), {**ON_DIGITS, **PLAIN, **SGD, "optimizer.learning_rate": 0.7, "epochs": 12}, tolerated=high),
        Planned("high-sgd-10", ("too_high",), {**ON_DIGITS, **PLAIN, **SGD, "optimizer.learning_rate": 10.0, "epochs": 8}),
        Planned("high-mlp-10", ("too_high",), {**ON_DIGITS, "model.kind": "mlp", **SGD, "optimizer.learning_rate": 10.0, "epochs": 8}),
        Planned("high-margin", ("too_high",), {**ON_DIGITS, **PLAIN, **SGD, "optimizer.learning_rate": 9.0, "epochs": 8, "loss": "multi_margin"}),
        Planned("diverged-decay", ("diverged",), {**ON_DIGITS, **PLAIN, **_rate("sgd", 5.0), "optimizer.weight_decay": 1.0, "epochs": 8}),
        Planned("diverged-deep", ("diverged",), {**ON_DIGITS, "model.kind": "mlp", "model.hidden": [256] * 6, "data.normalize": True, **SGD, "optimizer.learning_rate": 10.0, "epochs": 6}),
        Planned("diverged-margin", ("diverged",), {**ON_DIGITS, **MLP, "loss": "multi_margin", **_rate("sgd", 8.0), "optimizer.weight_decay": 0.5, "epochs": 8}),
        Planned("diverged-fashion", ("diverged",), {**ON_FASHION, **PLAIN, "data.normalize": True, **SGD, "optimizer.learning_rate": 10.0, "optimizer.weight_decay": 0.3, "epochs": 3}),
    ]  # fmt: skip


def _short_and_dead() -> list[Planned]:
    """Runs of one or two epochs that end no better than guessing, and good ones as short."""
    return [
        Planned("guess-high-preset", ("too_high",), {"data.subset": 3000, "optimizer.learning_rate": 10.0}, preset="quick"),
        Planned("guess-high-adam", ("too_high",), {**ON_DIGITS, **PLAIN, **_rate("adam", 1.0), "epochs": 1}),
        Planned("guess-low-preset", ("not_learning",), {"data.subset": 3000, "optimizer.learning_rate": 1e-7}, preset="quick"),
        Planned("guess-low-adam", ("not_learning",), {**ON_DIGITS, **PLAIN, **_rate("adam", 1e-6), "epochs": 2}),
        Planned("guess-few-steps", ("guessing",), {**ON_DIGITS, **PLAIN, "batch_size": 1024, **_rate("adam", 0.001), "epochs": 1}),
        Planned("good-one-epoch", (), {"data.subset": 6000}, preset="quick"),
    ]  # fmt: skip


def _lengths() -> list[Planned]:
    """Runs that learn by heart, that end too early, or too late."""
    return [
        Planned("heart-mlp", ("overfitting",), {**ON_DIGITS, **MLP, "data.subset": 200, **_rate("adam", 0.003), "epochs": 60, "batch_size": 32}),
        Planned("heart-fashion", ("overfitting",), {**ON_FASHION, **PLAIN, "data.subset": 1500, **_rate("adam", 0.005), "epochs": 15, "batch_size": 32}),
        Planned("heart-fashion-mlp", ("overfitting",), {**ON_FASHION, **MLP, "data.subset": 1500, **_rate("adam", 0.002), "epochs": 15, "batch_size": 32}),
        Planned("heart-mnist", ("overfitting",), {**ON_MNIST, **MLP, "data.subset": 800, **_rate("adam", 0.003), "epochs": 25, "batch_size": 32}),
        Planned("heart-validated", ("overfitting",), {**ON_DIGITS, **MLP, "data.subset": 300, "data.validation": 0.3, **_rate("adam", 0.003), "epochs": 60, "batch_size": 32}),
        Planned("short-adam", ("still_improving",), {**ON_DIGITS, **PLAIN, **_rate("adam", 0.001), "epochs": 5}, tolerated=("too_slow",)),
        Planned("short-sgd", ("still_improving",), {**ON_DIGITS, **PLAIN, **SGD, "optimizer.learning_rate": 0.01, "epochs": 5}, tolerated=("too_slow",)),
        Planned("short-mlp", ("still_improving",), {**ON_DIGITS, **MLP, **_rate("adam", 0.0005), "epochs": 5}, tolerated=("too_slow",)),
        Planned("short-fashion", ("still_improving",), {**ON_FASHION, **PLAIN, **_rate("adam", 0.001), "epochs": 4}, tolerated=("too_slow",)),
        Planned("short-mnist", ("still_improving",), {**ON_MNIST, **PLAIN, **_rate("adam", 0.0005), "epochs": 4}, tolerated=("too_slow",)),
        Planned("long-normed", ("saturated",), {**ON_DIGITS, **NORMED, **_rate("adamw", 0.002), "epochs": 60, "augmentation.kind": "handwriting", "augmentation.shift": 1, "augmentation.rotation": 5}),
        Planned("long-sgd", ("saturated",), {**ON_DIGITS, **NORMED, **SGD, "optimizer.learning_rate": 0.02, "epochs": 50}),
        Planned("long-step", ("saturated",), {**ON_DIGITS, **NORMED, **SGD, "optimizer.learning_rate": 0.05, "schedule.kind": "step", "schedule.every": 15, "epochs": 60}),
        Planned("long-plain", ("saturated",), {**ON_DIGITS, **PLAIN, **SGD, "optimizer.learning_rate": 0.05, "epochs": 60}, tolerated=("overfitting",)),
        Planned("frozen-step", ("schedule_ended",), {**ON_DIGITS, **PLAIN, **SGD, "optimizer.learning_rate": 0.01, "schedule.kind": "step", "schedule.every": 1, "epochs": 12}, tolerated=("saturated",)),
        Planned("frozen-step-2", ("schedule_ended",), {**ON_DIGITS, **PLAIN, **_rate("adam", 0.001), "schedule.kind": "step", "schedule.every": 2, "epochs": 16}, tolerated=("saturated",)),
        Planned("frozen-mlp", ("schedule_ended",), {**ON_DIGITS, **MLP, **_rate("sgd", 0.05), "schedule.kind": "step", "schedule.every": 1, "schedule.factor": 0.3, "epochs": 20}, tolerated=("saturated",)),
        Planned("frozen-fashion", ("schedule_ended",), {**ON_FASHION, **PLAIN, **_rate("adam", 0.001), "schedule.kind": "step", "schedule.every": 1, "epochs": 8}, tolerated=("saturated",)),
        Planned("coarse-sgd", ("batch_too_large",), {**ON_DIGITS, **PLAIN, "batch_size": 1024, **SGD, "optimizer.learning_rate": 0.05, "epochs": 12}, tolerated=("still_improving", "too_slow")),
        Planned("coarse-adam", ("batch_too_large",), {**ON_DIGITS, **PLAIN, "batch_size": 1437, **_rate("adam", 0.002), "epochs": 15}, tolerated=("still_improving", "too_slow")),
        Planned("coarse-mlp", ("batch_too_large",), {**ON_DIGITS, **MLP, "batch_size": 720, **_rate("adam", 0.001), "epochs": 10}, tolerated=("still_improving", "too_slow")),
        Planned("coarse-fashion", ("batch_too_large",), {**ON_FASHION, **PLAIN, "batch_size": 1500, **_rate("adam", 0.002), "epochs": 6}, tolerated=("still_improving", "too_slow")),
    ]  # fmt: skip


def _labels() -> list[Planned]:
    """Sets in which some labels are wrong."""
    usual = {**ON_DIGITS, **NORMED, **_rate("adamw", 0.01), **ONE_CYCLE}
    smooth = ("overfitting",)
    return [
        Planned("noisy-normed", ("labels",), {**usual, "epochs": 10}, tolerated=smooth, noisy=True),
        Planned("noisy-seed", ("labels",), {**usual, "epochs": 10, "seed": 5}, tolerated=smooth, noisy=True),
        Planned("noisy-augmented", ("labels",), {**usual, "epochs": 15, "augmentation.kind": "handwriting", "augmentation.shift": 1}, tolerated=smooth, noisy=True),
        Planned("noisy-mlp", ("labels",), {**ON_DIGITS, **MLP, **_rate("adam", 0.003), **COSINE, "epochs": 8}, tolerated=(*smooth, "still_improving"), noisy=True),
    ]  # fmt: skip


def _held_out() -> list[Planned]:
    """Runs of other networks, optimizers and rates, made when the rules were finished."""
    fine, wide = {**NORMED, "model.channels": [12, 24, 48]}, {**MLP, "model.hidden": [256]}
    slow, still = ("too_slow",), ("still_improving",)
    return [
        Planned("held-good-cnn", (), {**ON_DIGITS, **fine, **_rate("adam", 0.003), **COSINE, "epochs": 15, "batch_size": 48}),
        Planned("held-good-mlp", (), {**ON_DIGITS, **wide, **SGD, "optimizer.learning_rate": 0.1, **ONE_CYCLE, "epochs": 20}),
        Planned("held-good-preset", (), {"seed": 7}, preset="digits_seconds"),
        Planned("held-good-resnet", (), {**ON_DIGITS, "model.kind": "resnet", "model.width": 8, **SGD, "optimizer.learning_rate": 0.1, **ONE_CYCLE, "epochs": 12}),
        Planned("held-good-plain", (), {**ON_DIGITS, **PLAIN, **_rate("adam", 0.002), "optimizer.weight_decay": 0.0005, **COSINE, "epochs": 20, "batch_size": 32}),
        Planned("held-good-fashion", (), {**ON_FASHION, **NORMED, "data.subset": 2000, **_rate("adamw", 0.003), **ONE_CYCLE, "epochs": 6, "augmentation.kind": "clothes"}),
        Planned("held-good-mnist", (), {**ON_MNIST, **NORMED, "data.subset": 2000, **SGD, "optimizer.learning_rate": 0.1, **ONE_CYCLE, "epochs": 6}),
        Planned("held-good-mixed", (), {**ON_DIGITS, **NORMED, **_rate("adamw", 0.006), **ONE_CYCLE, "epochs": 18, "regularization.mix": "mixup", "regularization.label_smoothing": 0.05}),
        Planned("held-flat-rmsprop", ("not_learning",), {**ON_DIGITS, **wide, **_rate("rmsprop", 1e-8), "epochs": 6}, tolerated=slow),
        Planned("held-flat-sgd", ("not_learning",), {**ON_DIGITS, **fine, **SGD, "optimizer.learning_rate": 1e-7, "epochs": 6}, tolerated=slow),
        Planned("held-slow-adamw", ("too_slow",), {**ON_DIGITS, **wide, **_rate("adamw", 3e-5), "epochs": 10}, tolerated=still),
        Planned("held-slow-sgd", ("too_slow",), {**ON_DIGITS, **wide, **_rate("sgd", 0.004), "epochs": 10}, tolerated=still),
        Planned("held-high-sgd", ("too_high",), {**ON_DIGITS, **PLAIN, **SGD, "optimizer.learning_rate": 1.0, "epochs": 10}),
        Planned("held-high-adam", ("too_high",), {**ON_DIGITS, **wide, **_rate("adam", 0.3), "epochs": 10}),
        Planned("held-high-rmsprop", ("too_high",), {**ON_DIGITS, **NORMED, **_rate("rmsprop", 0.2), "epochs": 10}),
        Planned("held-heart-resnet", ("overfitting",), {**ON_FASHION, "model.kind": "resnet", "model.width": 8, "data.subset": 600, **_rate("adam", 0.003), "epochs": 20, "batch_size": 32}),
        Planned("held-heart-mlp", ("overfitting",), {**ON_MNIST, **wide, "data.subset": 500, **SGD, "optimizer.learning_rate": 0.05, "epochs": 25, "batch_size": 32}, tolerated=("saturated",)),
        Planned("held-short-mlp", ("still_improving",), {**ON_DIGITS, **wide, **_rate("adam", 0.0005), "epochs": 4}, tolerated=slow),
        Planned("held-short-cnn", ("still_improving",), {**ON_DIGITS, **PLAIN, **_rate("adam", 0.002), "epochs": 3, "batch_size": 48}, tolerated=slow),
        Planned("held-long-cnn", ("saturated",), {**ON_DIGITS, **NORMED, **_rate("adamw", 0.003), "epochs": 45}, tolerated=("overfitting",)),
        Planned("held-long-mlp", ("saturated",), {**ON_DIGITS, **wide, **_rate("adam", 0.002), "epochs": 50}, tolerated=("overfitting",)),
        Planned("held-frozen-adam", ("schedule_ended",), {**ON_DIGITS, **wide, **_rate("adam", 0.001), "schedule.kind": "step", "schedule.every": 1, "schedule.factor": 0.2, "epochs": 12}, tolerated=("saturated",)),
        Planned("held-frozen-sgd", ("schedule_ended",), {**ON_DIGITS, **PLAIN, **_rate("sgd", 0.2), "schedule.kind": "step", "schedule.every": 2, "epochs": 15}, tolerated=("saturated",)),
        Planned("held-coarse-cnn", ("batch_too_large",), {**ON_DIGITS, **PLAIN, "batch_size": 700, **_rate("adam", 0.001), "epochs": 8}, tolerated=still),
        Planned("held-coarse-mlp", ("batch_too_large",), {**ON_DIGITS, **wide, "batch_size": 1400, **_rate("sgd", 0.2), "epochs": 10}, tolerated=still),
        Planned("held-guess-high-mlp", ("too_high",), {**ON_DIGITS, **wide, **_rate("adam", 3.0), "epochs": 1}),
        Planned("held-guess-high-sgd", ("too_high",), {**ON_FASHION, **PLAIN, "data.subset": 2000, **SGD, "optimizer.learning_rate": 3.0, "epochs": 2}),
        Planned("held-guess-low-resnet", ("not_learning",), {**ON_DIGITS, "model.kind": "resnet", "model.width": 8, **SGD, "optimizer.learning_rate": 1e-6, "epochs": 1}),
        Planned("held-guess-low-mlp", ("not_learning",), {**ON_MNIST, **wide, "data.subset": 2000, **_rate("adamw", 1e-7), "epochs": 2}),
        Planned("held-good-one-epoch", (), {"data.subset": 5000, "seed": 3, "optimizer.learning_rate": 0.05}, preset="quick"),
        Planned("held-good-two-epochs", (), {"epochs": 2, "seed": 3}, preset="digits_seconds"),
        Planned("held-noisy", ("labels",), {**ON_DIGITS, **fine, **_rate("rmsprop", 0.002), **COSINE, "epochs": 12}, tolerated=("overfitting",), noisy=True),
    ]  # fmt: skip


PLAN = (*_good(), *_rates(), *_short_and_dead(), *_lengths(), *_labels(), *_held_out())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="Runs to make again; else those not there yet.")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    data = settings.load().data_folder
    RUNS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        noisy = _noisy_digits(data, Path(folder) / "noisy")
        for planned in PLAN:
            path = RUNS / f"{planned.name}.json"
            if planned.name in chosen.names or not (chosen.names or path.exists()):
                made = _made(planned, noisy if planned.noisy else data, Path(folder) / "files")
                path.write_text(json.dumps(made, separators=(",", ":")) + "\n")
                print(f"{planned.name}: {_summary(made)}", flush=True)


def _summary(made: JSON) -> str:
    epochs = made["epochs"]
    if not epochs["epoch"]:
        return str(made["error_kind"])
    return f"train loss {epochs['train_loss'][-1]}, test {epochs['test_loss'][-1]}, {epochs['test_accuracy'][-1]}"


def _noisy_digits(data: Path, folder: Path) -> Path:
    """The digits, some labels of each part another class by chance."""
    download.ensure("digits", data, print)
    shutil.copytree(data / "digits", folder / "digits")
    source = np.random.default_rng(0)
    for part in ("train", "test"):
        path = folder / "digits" / f"{part}-labels.npy"
        labels = np.load(path)
        wrong = source.random(len(labels)) < WRONG_LABELS
        labels[wrong] = (labels[wrong] + source.integers(1, 10, wrong.sum())) % 10
        np.save(path, labels)
    return folder


def _made(planned: Planned, data: Path, folder: Path) -> JSON:
    """Train a run as a worker does, and keep what its page would have of it."""
    spec = resolve(planned.preset, nest(planned.changes))
    download.ensure(spec.dataset, data, print)
    folder.mkdir(exist_ok=True)
    reports: list[Report] = []
    context = RunContext(
        spec=spec,
        data=data,
        scratch=folder,
        device=torch.device("cpu"),
        threads=1,
        report=reports.append,
    )
    error_kind = None
    try:
        loop.run(context)
    except Diverged:
        error_kind = "diverged"
    return {
        "name": planned.name,
        "truth": list(planned.truth),
        "tolerated": list(planned.tolerated),
        "made_by": f"python -m bench.coached {planned.name}",
        "spec": spec.model_dump(mode="json"),
        "state": "failed" if error_kind else "succeeded",
        "error_kind": error_kind,
        **_recorded(reports),
    }


def _recorded(reports: Sequence[Report]) -> JSON:
    [started] = [each for each in reports if isinstance(each, Started)]
    ends = [each for each in reports if isinstance(each, EpochEnd)]
    samples = [each for each in reports if isinstance(each, StepMetrics)]
    every = -(-len(samples) // MOST_SAMPLES) or 1
    thinned = [*samples[:: max(1, every)]]
    if samples and thinned[-1] is not samples[-1]:
        thinned.append(samples[-1])
    finished = next((each for each in reports if isinstance(each, Finished)), None)
    evaluated = next((each for each in reports if isinstance(each, Evaluated)), None)
    return {
        "batches": started.batches,
        "published_epoch": finished.epoch if finished else None,
        "epochs": _columns(ends, OF_EPOCHS),
        "samples": _columns(thinned, ("step", "train_loss", "learning_rate")),
        "evaluation": _evaluation(evaluated.content) if evaluated else None,
    }


def _columns(rows: Sequence[Any], names: Sequence[str]) -> JSON:
    return {name: [_rounded(getattr(row, name)) for row in rows] for name in names}


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _evaluation(content: JSON) -> JSON:
    """Without the pictures, and without what no rule reads."""
    packed = {name: content[name] for name in ("labels", "predictions")}
    return {
        "count": content["count"],
        "accuracy": content["accuracy"],
        "mistakes": [
            [each["index"], each["label"], each["predicted"], _rounded(each["confidence"])]
            for each in content["mistakes"]
        ],
        **(packed if content["count"] < 1000 else {}),
    }


if __name__ == "__main__":
    main()
