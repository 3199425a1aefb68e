"""Measuring a network on images that it was not trained on."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from core import predictions
from core.datasets.info import DatasetInfo
from core.errors import TrainyardError
from core.messages import message
from worker.training.data.datasets import Images
from worker.training.team import Team

BATCH = 1000
BATCH_ON_CPU = 200
"""What a layer leaves fits into the cache of a core then."""
BINS = 15
"""Of confidence, as many as Guo and others have."""
MOST_MISTAKES = 100


class NonFiniteScores(TrainyardError):
    """A network gave scores that are NaN or infinite."""


@dataclass(slots=True)
class Room:
    """How many images at once the memory of a run's device has room for, as far as is known."""

    images: int = BATCH

    def halve(self, tried: int) -> None:
        """Note that so many, and more, are too many."""
        self.images = min(self.images, -(-tried // 2))


def predict(
    network: nn.Module,
    images: Images,
    before_batch: Callable[[], None] = lambda: None,
    team: Team | None = None,
    room: Room | None = None,
) -> Tensor:
    """The scores that a network gives to images: float32 (images, classes), on the CPU.

    The network is left in the mode, training or not, that it was in.

    Args:
        network: takes (batch, channels, size, size), gives (batch, classes).
        images: on the network's device.
        before_batch: called before each thousand images or so; may raise to end the evaluation.
        team: computes several batches at once, on a CPU; None: one after the other.
        room: what is known of the device's memory, and is kept up to date; None: nothing.
    """
    team, room = team or Team(), room or Room()
    places = torch.arange(len(images), device=images.labels.device)
    parts = torch.split(places, BATCH_ON_CPU if places.device.type == "cpu" else BATCH)
    at_once = team.threads * max(1, BATCH // (len(parts[0]) * team.threads))
    scores: list[Tensor] = []
    was_training = network.training
    network.eval()
    try:
        for first in range(0, len(parts), at_once):
            before_batch()
            wave = parts[first : first + at_once]
            scores += team.map(partial(_scores_of_part, network, images, wave, room), len(wave))
        return torch.cat(scores).cpu()  # the one place that waits for the device
    finally:
        network.train(was_training)


def _scores_of_part(
    network: nn.Module, images: Images, parts: Sequence[Tensor], room: Room, number: int
) -> Tensor:
    return _scores(network, images, parts[number], room)


@torch.inference_mode()
def _scores(network: nn.Module, images: Images, places: Tensor, room: Room) -> Tensor:
    """The scores of some images, in smaller parts where the memory is too small."""
    if len(places) > room.images:
        parts = torch.split(places, room.images)
        return torch.cat([_scores(network, images, part, room) for part in parts])
    try:
        scores: Tensor = network(images.batch(places)[0]).float()
    except torch.OutOfMemoryError:
        if len(places) == 1:
            raise
        torch.cuda.empty_cache()
        room.halve(len(places))
    else:
        return scores
    return _scores(network, images, places, room)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision, recall and F1 of one class. What is undefined is 0.0."""

    name: str
    support: int
    """Images of the class."""
    precision: float
    """Of the images predicted as the class, the share that is of it; 0.0 where there are none."""
    recall: float
    """Of the images of the class, the share predicted as it; 0.0 where there are none."""
    f1: float
    """The harmonic mean of both; 0.0 where both are."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The images predicted with a confidence above `lower`, up to `upper`."""

    lower: float
    upper: float
    count: int
    confidence: float | None
    """The mean of the probabilities; None where there are no such images."""
    accuracy: float | None
    """The share of the images that were predicted right; None where there are no such images."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well confidence agrees with accuracy (Guo and others, 2017)."""

    expected_calibration_error: float
    """How far accuracy lies from confidence in a bin: the mean over all images, 0 to 1."""
    bins: list[Bin]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A misclassified image."""

    index: int
    """Its place in the test set, from 0."""
    label: int
    predicted: int
    confidence: float
    """The probability of the predicted class."""
    image: str
    """A PNG of the image in its own size, as Base64."""


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """The evaluation of a network on the test set."""

    count: int
    accuracy: float
    loss: float
    """Mean cross-entropy, whatever loss it was trained by."""
    confusion: list[list[int]]
    """Images of each true class (rows) that were predicted as each class (columns)."""
    classes: list[ClassScore]
    calibration: Calibration
    mistakes: list[Mistake]
    """The most confident ones, `MOST_MISTAKES` at most, the most confident one first."""
    labels: str
    predictions: str
    """Of every image, in the order of the test set, as `core.predictions` packs them: so that
    two runs can be compared image by image."""
    confidences: str
    """Of every image, the probability of the predicted class, in parts of `predictions.SURE`."""

    def content(self) -> dict[str, Any]:
        """As JSON: lists, dictionaries, words, None, and numbers that are all finite."""
        return asdict(self)


def evaluate(
    scores: Tensor, labels: Tensor, pixels: Tensor, dataset: DatasetInfo
) -> EvaluationResult:
    """Evaluate a network's scores. Probabilities are their softmax.

    Args:
        scores: (images, classes).
        labels: int64 (images,).
        pixels: uint8 (images, channels, size, size), of one channel or three.
        dataset: what the images are of.

    Raises:
        NonFiniteScores: a score is NaN or infinite.
    """
    scores, labels = scores.cpu(), labels.cpu()
    if not scores.isfinite().all():
        raise NonFiniteScores(message("run.scores_not_finite"))
    predicted = scores.argmax(1)
    logarithms = scores.double().log_softmax(1)
    confidence = logarithms.gather(1, predicted[:, None]).squeeze(1).exp()
    is_correct = predicted == labels
    confusion = _confusion(labels, predicted, len(dataset.classes))
    return EvaluationResult(
        count=len(labels),
        accuracy=is_correct.double().mean().item(),
        loss=functional.nll_loss(logarithms, labels).item(),
        confusion=confusion.tolist(),
        classes=_class_scores(confusion, dataset.classes),
        calibration=_calibration(confidence, is_correct),
        mistakes=_mistakes(labels, predicted, confidence, pixels, dataset.largest_pixel),
        labels=predictions.pack(labels.tolist()),
        predictions=predictions.pack(predicted.tolist()),
        confidences=predictions.pack(_whole(confidence)),
    )


def _whole(confidence: Tensor) -> list[int]:
    """Probabilities as whole numbers that can be packed."""
    return confidence.mul(predictions.SURE).round().long().tolist()


def _confusion(labels: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """int64 (classes, classes): a row for each true class, a column for each predicted one."""
    return torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, classes)


def _class_scores(confusion: Tensor, names: tuple[str, ...]) -> list[ClassScore]:
    correct, support, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    columns = [
        support,
        _ratio(correct, predicted),
        _ratio(correct, support),
        _ratio(2 * correct, support + predicted),  # the harmonic mean of the two before
    ]
    rows = zip(names, *(column.tolist() for column in columns), strict=True)
    return [ClassScore(*row) for row in rows]


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their quotient; 0.0 where it is undefined."""
    return numerator.double() / denominator.clamp(min=1)


def _calibration(confidence: Tensor, is_correct: Tensor) -> Calibration:
    """Guo and others, "On calibration of modern neural networks" (2017), equations 3 and 5."""
    place = (confidence * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    counts = torch.bincount(place, minlength=BINS)
    sums = torch.bincount(place, confidence, BINS), torch.bincount(place, is_correct.double(), BINS)
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
    labels: Tensor, predicted: Tensor, confidence: Tensor, pixels: Tensor, largest_pixel: int
) -> list[Mistake]:
    wrong = (predicted != labels).nonzero().squeeze(1)
    order = confidence[wrong].argsort(descending=True, stable=True)[:MOST_MISTAKES]
    chosen = wrong[order]
    columns = chosen, labels[chosen], predicted[chosen], confidence[chosen]
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
