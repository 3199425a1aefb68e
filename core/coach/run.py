"""What a rule reads of a run: its spec, its curves, its evaluation, and the runs most like it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from core.datasets.builtin import DATASETS
from core.spec.hyperparameters import Hyperparameters
from core.spec.spec import Spec, merge

ENDED_WELL = "succeeded"

_DEFAULTS = Hyperparameters().model_dump(mode="json")


def whole(spec: Spec) -> dict[str, Any]:
    """A stored spec with the fields that came after it."""
    return merge(_DEFAULTS, spec)


@dataclass(frozen=True, slots=True)
class Epochs:
    """The epochs of a run in columns of one length, first to last."""

    epoch: Sequence[int] = ()
    train_loss: Sequence[float] = ()
    validation_loss: Sequence[float | None] = ()
    validation_accuracy: Sequence[float | None] = ()
    test_loss: Sequence[float] = ()
    test_accuracy: Sequence[float] = ()
    learning_rate: Sequence[float] = ()

    def __len__(self) -> int:
        return len(self.epoch)


@dataclass(frozen=True, slots=True)
class Samples:
    """The metric samples of a run in columns of one length, thinned."""

    step: Sequence[int] = ()
    train_loss: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another run of the same dataset and network."""

    job_id: int
    spec: Spec
    evaluation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run of the same dataset and network, and how well it did on the test set."""

    job_id: int
    stored_spec: Spec
    accuracy: float

    @property
    def spec(self) -> dict[str, Any]:
        """The spec, with the fields that came after it."""
        return whole(self.stored_spec)

    @property
    def rate(self) -> float:
        """The learning rate of the spec."""
        return float(self.stored_spec["optimizer"]["learning_rate"])


@dataclass(frozen=True)
class Run:
    """A run, as its page knows it."""

    job_id: int
    state: str
    stored_spec: Spec
    error_kind: str | None = None
    is_cut_short: bool = False
    """Whether it ended before its last epoch: by patience, a target or a time limit."""
    batches: int = 0
    """Steps in an epoch."""
    epochs: Epochs = field(default_factory=Epochs)
    samples: Samples = field(default_factory=Samples)
    published_epoch: int | None = None
    evaluation: Mapping[str, Any] | None = None
    """As the worker wrote it down; the pictures are not needed."""
    siblings: Sequence[Sibling] = ()
    earlier: Sequence[Earlier] = ()
    repeats: int = 0
    """Other seeds with which the same was trained well, earlier or later."""

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The spec, with the fields that came after it."""
        return whole(self.stored_spec)

    @property
    def is_over(self) -> bool:
        """Whether it trained as far as its spec says."""
        return self.state == ENDED_WELL and not self.is_cut_short

    @property
    def has_succeeded(self) -> bool:
        """Whether it ended well, also before its last epoch."""
        return self.state == ENDED_WELL

    @property
    def classes(self) -> int:
        """How many classes there are to tell apart."""
        return len(DATASETS[self.spec["dataset"]].classes)

    @property
    def chance_loss(self) -> float:
        """The loss of a network that gives every class the same score.

        ln C for cross-entropy. For the margin loss, whose margin is 1: (C - 1) / C.
        """
        count = self.classes
        return math.log(count) if self.spec["loss"] == "cross_entropy" else (count - 1) / count

    @property
    def is_validated(self) -> bool:
        """Whether it keeps a validation split apart."""
        return bool(self.spec["data"]["validation"])

    @property
    def test_images(self) -> int:
        """How many images it is tested on."""
        return DATASETS[str(self.spec["dataset"])].test_count

    @property
    def validation_images(self) -> int:
        """How many images are kept apart for validation."""
        there = DATASETS[self.spec["dataset"]].train_count
        used: int = min(self.spec["data"]["subset"] or there, there)
        return round(used * float(self.spec["data"]["validation"]))

    @property
    def watched(self) -> str:
        """Which loss tells how the network does on images that it did not learn from."""
        return "validation_loss" if self.is_validated else "test_loss"

    @property
    def watched_loss(self) -> Sequence[float]:
        """That loss, epoch by epoch."""
        return [each or 0.0 for each in getattr(self.epochs, self.watched)]

    @property
    def is_mixed(self) -> bool:
        """Whether training images are mixed: how much differs by chance from epoch to epoch."""
        return bool(self.spec["regularization"]["mix"] != "none")

    @property
    def fit_loss(self) -> Sequence[float]:
        """What tells, epoch by epoch, how much is left to learn.

        The train loss; where its labels are spread or mixed, which it cannot fall below, the loss
        on other images.
        """
        is_spread = self.is_mixed or self.spec["regularization"]["label_smoothing"] > 0
        return self.watched_loss if is_spread else self.epochs.train_loss

    @property
    def watched_accuracy(self) -> Sequence[float]:
        """The accuracy on the same images, epoch by epoch."""
        name = "validation_accuracy" if self.is_validated else "test_accuracy"
        return [each or 0.0 for each in getattr(self.epochs, name)]

    @property
    def watched_images(self) -> int:
        """How many these are."""
        return self.validation_images if self.is_validated else self.test_images

    @property
    def rate(self) -> float:
        """The learning rate of the spec."""
        return float(self.spec["optimizer"]["learning_rate"])
