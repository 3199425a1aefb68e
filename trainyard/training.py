"""Training without the platform: in a notebook, or a script of one's own."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn

from core import formats
from core.errors import InvalidInput
from core.messages import message
from core.protocol.reports import (
    EpochEnd,
    Evaluated,
    Finished,
    Line,
    Report,
    Started,
    StepMetrics,
    StepMetricsBatch,
)
from core.spec.spec import TrainingSpec
from worker.training.data import download
from worker.training.run import loop
from worker.training.run.context import RunContext

# the settings of the platform say the same, and are not for training code to read
HOME, DATA = "TRAINYARD_HOME", "TRAINYARD_DATA"


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    spec: TrainingSpec
    network: nn.Module
    """With the published weights, on the device that it was trained on, in evaluation mode."""
    epochs: list[EpochEnd] = field(repr=False)
    """The measurements of each epoch."""
    evaluation: dict[str, Any] = field(repr=False)
    """What the published weights do on the test set: confusion, calibration, mistakes."""
    weights_sha256: str
    folder: Path
    """Where the files lie: the weights in each format, and the model card."""
    reason: str | None = None
    """Why the run ended before its last epoch, or None where it did not."""

    @property
    def test_accuracy(self) -> float:
        """The share of test images whose class the published weights find, from 0 to 1."""
        return float(self.evaluation["accuracy"])

    @torch.inference_mode()
    def predict(self, images: Tensor) -> Tensor:
        """Probabilities of each class.

        Args:
            images: float32 (count, channels, size, size) in [0, 1].

        Returns:
            float32 (count, classes), on the CPU.
        """
        weight = next(self.network.parameters())
        scores: Tensor = self.network(images.to(weight.device))
        return scores.float().softmax(1).cpu()


def train(
    spec: TrainingSpec,
    *,
    data: Path | str | None = None,
    folder: Path | str | None = None,
    resume_from: Path | str | None = None,
    progress: bool = True,
) -> Result:
    """Train by a spec, here and now.

    The dataset is downloaded where it is not there yet. Snapshots appear in the folder while it
    trains; to resume from one, name it in `resume_from`.

    Args:
        spec: what to train.
        data: folder of the datasets; None: that of the platform (`TRAINYARD_DATA`,
            or `data` in `TRAINYARD_HOME`, or in `~/.trainyard`).
        folder: where the files go; None: a new folder for temporary files.
        resume_from: the file of a snapshot of the same spec.
        progress: whether to show a progress bar, with the measurements of each epoch.

    Raises:
        InvalidInput: the spec asks for what is not here: a GPU, or several devices.
        DataUnavailable: the dataset cannot be fetched.
        Diverged: the loss became infinite or no number.
    """
    device = _device(spec)
    place = Path(data) if data else _data_folder()
    files = Path(folder) if folder else Path(tempfile.mkdtemp(prefix="trainyard-"))
    files.mkdir(parents=True, exist_ok=True)
    with _Screen(shown=progress) as screen:
        download.ensure(spec.dataset, place, screen.print)
        context = RunContext(
            spec=spec, data=place, scratch=files, device=device, report=screen.take
        )
        network = loop.run(context, Path(resume_from) if resume_from else None)
    assert screen.finished is not None
    return Result(
        spec=spec,
        network=network.eval(),
        epochs=screen.epochs,
        evaluation=screen.evaluation,
        weights_sha256=screen.finished.weights_sha256,
        folder=files,
        reason=screen.finished.reason.text if screen.finished.reason else None,
    )


def _device(spec: TrainingSpec) -> torch.device:
    if spec.devices > 1:
        raise InvalidInput.one("devices", message("spec.devices_need_a_worker"))
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise InvalidInput.one("device", message("spec.no_gpu_here"))
    return torch.device("cuda" if spec.device != "cpu" and torch.cuda.is_available() else "cpu")


def _data_folder() -> Path:
    if named := os.environ.get(DATA):
        return Path(named)
    return Path(os.environ.get(HOME) or "~/.trainyard").expanduser() / "data"


def _measured(end: EpochEnd) -> str:
    values = {
        "average loss": formats.number(end.train_loss),
        "validation accuracy": None
        if end.validation_accuracy is None
        else formats.percent(end.validation_accuracy),
        "test loss": formats.number(end.test_loss),
        "test accuracy": formats.percent(end.test_accuracy),
    }
    return ", ".join(f"{name} {value}" for name, value in values.items() if value)


class _Screen:
    """Shows a run as it goes, and keeps what it reports."""

    def __init__(self, *, shown: bool) -> None:
        self.epochs: list[EpochEnd] = []
        self.evaluation: dict[str, Any] = {}
        self.finished: Finished | None = None
        self._shown = shown
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(quiet=not shown),
            transient=True,
        )
        self._planned = 0
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def print(self, text: str) -> None:
        self._progress.console.print(text)

    def take(self, report: Report) -> None:
        match report:
            case Started():
                self._planned = report.epochs
                self._progress.update(
                    self._task, total=report.batches * report.epochs, completed=report.step
                )
            case StepMetrics():
                text = f"epoch {report.epoch}, loss {formats.number(report.train_loss)}"
                self._progress.update(self._task, completed=report.step, description=text)
            case StepMetricsBatch():
                self.take(report.last)
            case EpochEnd():
                self.epochs.append(report)
                self.print(f"epoch {report.epoch}/{self._planned} done: {_measured(report)}")
            case Evaluated():
                self.evaluation = report.content
            case Finished():
                self.finished = report
            case Line(level="warning" | "error"):
                self.print(report.text)
            case _:
                pass
