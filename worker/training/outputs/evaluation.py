"""Measuring a network on images that it was not trained on."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from core.datasets.info import DatasetInfo
from core.errors import TrainyardError
from worker.training.data.datasets import Images

BATCH = 1000
BATCH_ON_CPU = 200
"""What a layer leaves fits into the caches of the cores then."""
BINS = 15
"""Of confidence, as many as Guo and others have."""
MOST_MISTAKES = 100


class NoNumbers(TrainyardError):
    """A network gave scores that are infinite or no numbers."""


@torch.inference_mode()
def predict(
    network: nn.Module, images: Images, before_batch: Callable[[], None] = lambda: None
) -> Tensor:
    """The scores that a network gives to images: float32 (images, classes), on the CPU.

    The network is left in the mode, training or not, in which it was found.

    Args:
        network: takes (batch, channels, size, size), gives (batch, classes).
        images: on the network's device.
        before_batch: called before each thousand images; may raise to end the evaluation.
    """
    size = BATCH_ON_CPU if images.labels.device.type == "cpu" else BATCH
    was_training = network.training
    network.eval()
    try:
        scores: list[Tensor] = []
        places = torch.arange(len(images), device=images.labels.device)
        for indices in torch.split(places, BATCH):
            before_batch()
            at = 0
            while at < len(indices):
                try:
                    part = indices[at : at + size]
                    scores.append(network(images.batch(part)[0]).float())
                    at += len(part)
                except torch.OutOfMemoryError:
                    if size == 1:
                        raise
                    torch.cuda.empty_cache()
                    size = -(-size // 2)
        return torch.cat(scores).cpu()  # the one place that waits for the device
    finally:
        network.train(was_training)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class is told from the others. What is undefined is 0.0."""

    name: str
    support: int
    """Images of the class."""
    precision: float
    """The share of what was taken for the class that is of it; 0.0 where nothing was."""
    recall: float
    """The share of the class that was found; 0.0 where there are no images of it."""
    f1: float
    """The harmonic mean of both; 0.0 where both are."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The images whose class was found with a probability above `lower`, up to `upper`."""

    lower: float
    upper: float
    count: int
    confidence: float | None
    """The mean of the probabilities; None where there are no such images."""
    accuracy: float | None
    """The share of the images whose class was right; None where there are no such images."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether the network is right as often as it is sure (Guo and others, 2017)."""

    expected_calibration_error: float
    """How far accuracy lies from confidence in a bin: the mean over all images, 0 to 1."""
    bins: list[Bin]


@dataclass(frozen=True, slots=True)
class Mistake:
    """An image whose class was not found."""

    index: int
    """Its place in the test set, from 0."""
    label: int
    predicted: int
    confidence: float
    """The probability of the class that was found instead."""
    image: str
    """A PNG of the image in its own size, as Base64."""


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What a network does on the test set."""

    count: int
    accuracy: float
    loss: float
    """Mean cross-entropy, whatever loss it was trained by."""
    confusion: list[list[int]]
    """Images of each true class (rows) that were taken for each class (columns)."""
    classes: list[ClassScore]
    calibration: Calibration
    mistakes: list[Mistake]
    """The most confident ones, `MOST_MISTAKES` at most, the most confident one first."""

    def content(self) -> dict[str, Any]:
        """As JSON: lists, dictionaries, words, None, and numbers that are all finite."""
        return asdict(self)


def evaluate(
    scores: Tensor, labels: Tensor, pixels: Tensor, dataset: DatasetInfo
) -> EvaluationResult:
    """Say what a network's scores are worth. Probabilities are their softmax.

    Args:
        scores: (images, classes).
        labels: int64 (images,).
        pixels: uint8 (images, channels, size, size), of one channel or three.
        dataset: what the images are of.

    Raises:
        NoNumbers: a score is infinite or no number.
    """
    scores, labels = scores.cpu(), labels.cpu()
    if not scores.isfinite().all():
        raise NoNumbers("The network's scores of the test images are infinite or no numbers.")
    found = scores.argmax(1)
    logarithms = scores.double().log_softmax(1)
    confidence = logarithms.gather(1, found[:, None]).squeeze(1).exp()
    is_right = found == labels
    confusion = _confusion(labels, found, len(dataset.classes))
    return EvaluationResult(
        count=len(labels),
        accuracy=is_right.double().mean().item(),
        loss=functional.nll_loss(logarithms, labels).item(),
        confusion=confusion.tolist(),
        classes=_class_scores(confusion, dataset.classes),
        calibration=_calibration(confidence, is_right),
        mistakes=_mistakes(labels, found, confidence, pixels, dataset.largest_pixel),
    )


def _confusion(labels: Tensor, found: Tensor, classes: int) -> Tensor:
    """int64 (classes, classes): a row for each true class, a column for each found one."""
    return torch.bincount(labels * classes + found, minlength=classes**2).view(classes, classes)


def _class_scores(confusion: Tensor, names: tuple[str, ...]) -> list[ClassScore]:
    right, support, taken = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    columns = [
        support,
        _ratio(right, taken),
        _ratio(right, support),
        _ratio(2 * right, support + taken),  # the harmonic mean of the two before
    ]
    rows = zip(names, *(column.tolist() for column in columns), strict=True)
    return [ClassScore(*row) for row in rows]


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their quotient; 0.0 where it is undefined."""
    return numerator.double() / denominator.clamp(min=1)


def _calibration(confidence: Tensor, is_right: Tensor) -> Calibration:
    """Guo and others, "On calibration of modern neural networks" (2017), equations 3 and 5."""
    place = (confidence * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    counts = torch.bincount(place, minlength=BINS)
    sums = torch.bincount(place, confidence, BINS), torch.bincount(place, is_right.double(), BINS)
    mean_confidence, accuracy = (_ratio(each, counts) for each in sums)
    error = (accuracy - mean_confidence).abs() @ counts.double() / len(confidence)
    measured = zip(counts.tolist(), mean_confidence.tolist(), accuracy.tolist(), strict=True)
    return Calibration(
        error.item(),
        [
            Bin(at / BINS, (at + 1) / BINS, count, *(means if count else (None, None)))
            for at, (count, *means) in enumerate(measured)
        ],
    )


def _mistakes(
    labels: Tensor, found: Tensor, confidence: Tensor, pixels: Tensor, largest_pixel: int
) -> list[Mistake]:
    wrong = (found != labels).nonzero().squeeze(1)
    order = confidence[wrong].argsort(descending=True, stable=True)[:MOST_MISTAKES]
    chosen = wrong[order]
    columns = chosen, labels[chosen], found[chosen], confidence[chosen]
    rows = zip(
        *(column.tolist() for column in columns),
        _images(pixels[chosen.to(pixels.device)].cpu(), largest_pixel),
        strict=True,
    )
    return [Mistake(*row) for row in rows]


def _images(pixels: Tensor, largest_pixel: int) -> list[str]:
    """PNGs, in Base64, of uint8 (images, channels, size, size)."""
    bright = pixels if largest_pixel == 255 else pixels.float().mul(255 / largest_pixel).round()
    arrays = bright.byte().movedim(1, -1).numpy()
    return [_png(array.squeeze(-1) if array.shape[-1] == 1 else array) for array in arrays]


def _png(array: Any) -> str:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
