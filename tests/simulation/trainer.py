"""A trainer that computes nothing: what it reports follows from the run and the step alone.

So two attempts of one run report the same, and what is in the tables can be compared with what an
undisturbed run would have reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.protocol.reports import (
    EpochEnd,
    Evaluated,
    Line,
    Report,
    Started,
    StepMetrics,
    StepMetricsBatch,
)
from core.spec import presets
from core.spec.spec import TrainingSpec
from tests import reported


def spec(
    epochs: int, batches: int, device: str = "cpu", devices: int = 1, dataset: str = "digits"
) -> TrainingSpec:
    """The spec of a run: its batches are in its seed, since here no images decide them."""
    changes = {"dataset": dataset, "epochs": epochs, "seed": batches}
    return presets.resolve("quick", changes | {"device": device, "devices": devices})


def loss(step: int) -> float:
    """The training loss after a batch."""
    return 1 / step


def weights(spec: dict[str, Any]) -> str:
    """The digest of what a run ends with."""
    return hashlib.sha256(f"{spec['epochs']} {spec['seed']}".encode()).hexdigest()


@dataclass(slots=True)
class SimulatedTrainer:
    """Where one attempt is."""

    epochs: int
    batches: int
    """In one epoch."""
    step: int = 0
    """Batches done."""
    saved_step: int = 0
    """Batches in the newest snapshot."""

    @classmethod
    def of(cls, spec: dict[str, Any]) -> SimulatedTrainer:
        """The trainer of a run that begins."""
        return cls(spec["epochs"], spec["seed"])

    @property
    def is_done(self) -> bool:
        """Whether the last batch is done."""
        return self.step == self.epochs * self.batches

    @property
    def epoch(self) -> int:
        """Whole epochs done."""
        return self.step // self.batches

    def start(self, step: int, device: str, threads: int, shards: int | None) -> Started:
        """Begin after a step."""
        self.step = self.saved_step = step
        return reported.started(
            device_kind="cuda" if device == "cuda" else "cpu",
            threads=threads,
            shards=shards,
            precision="bf16" if device == "cuda" else "fp32",
            epochs=self.epochs,
            batches=self.batches,
            epoch=self.epoch,
            step=step,
        )

    def train(self, batches: int) -> Iterator[Report]:
        """Do some batches, at most to the end of the epoch; after the last one, evaluate."""
        if not self.is_done:
            yield from self._train(batches)
        if self.is_done:
            yield Evaluated(content={"accuracy": loss(self.step)})

    def _train(self, batches: int) -> Iterator[Report]:
        first = self.step + 1
        self.step += min(batches, self.batches - self.step % self.batches)
        samples = [self._sample(step) for step in range(first, self.step + 1)]
        yield samples[0] if len(samples) == 1 else _together(samples)
        if self.step % self.batches == 0:
            yield self._end_of_epoch()
            yield Line(text=f"Epoch {self.epoch} is done.")

    def _sample(self, step: int) -> StepMetrics:
        return StepMetrics(
            step=step,
            epoch=(step - 1) // self.batches + 1,
            batch=(step - 1) % self.batches + 1,
            train_loss=loss(step),
            learning_rate=0.1,
            images_per_s=100.0,
            eta_s=float(self.epochs * self.batches - step),
        )

    def _end_of_epoch(self) -> EpochEnd:
        return reported.epoch_end(
            epoch=self.epoch,
            step=self.step,
            batch=self.batches,
            train_loss=loss(self.step),
            test_loss=loss(self.step),
            test_accuracy=1 - loss(self.step),
        )


def _together(samples: list[StepMetrics]) -> StepMetricsBatch:
    names = ("step", "epoch", "batch", "train_loss", "learning_rate", "images_per_s")
    columns = {name: [getattr(sample, name) for sample in samples] for name in names}
    return StepMetricsBatch(**columns, eta_s=samples[-1].eta_s)
