"""What a network has learned, in pictures: filters, and the test images in two dimensions.

The filters are those of its first layer; the plane is that in which its last features spread most.
A JSON of some hundred kilobytes at most. Equal weights give equal bytes.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from core import predictions
from core.datasets.builtin import DATASETS
from core.spec.shapes import summary
from core.spec.spec import TrainingSpec
from worker.training.data.datasets import Images
from worker.training.outputs import evaluation

MOST_FILTERS = 64
MOST_POINTS = 5000
FEWEST_POINTS = 500
MOST_WORK = 3e11
"""MACs that may be spent on the points: half a minute of one core, about."""
EXACT_UP_TO = 1024
"""Features up to which all components are computed, and not the first ones alone."""
COMPONENTS = 2
FINEST = 65_535
"""Places along an axis: an image's is stored as a whole number from 0 to this one."""

LOW = np.array((33, 102, 172))
MIDDLE = np.array((247, 247, 247))
HIGH = np.array((178, 88, 6))
"""Colors of negative, zero and positive weights, that color-blind people tell apart."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The weights of one filter of the first layer."""

    image: str
    """A PNG, in Base64: a pixel for each weight; in color where the images are."""
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Embedding:
    """Test images in the plane in which their features spread most."""

    features: int
    """How many the last hidden layer has."""
    explained: list[float]
    """The share of the variance along each of both axes."""
    total: int
    """Images of the test set; those here are spread evenly over it."""
    count: int
    x: str
    y: str
    """Of each image, from 0 to `FINEST`, as `core.predictions` packs them. Both have one scale."""
    labels: str
    predictions: str


def compute(network: nn.Module, spec: TrainingSpec, images: Images) -> bytes:
    """The filters of a network and its view of some test images, as JSON.

    Args:
        network: in evaluation mode, on the CPU.
        spec: what it was trained by.
        images: the test set.
    """
    shown, size = filters(network, spec)
    content: dict[str, Any] = {
        "filters": {"all": size, "shown": [asdict(each) for each in shown]},
        "embedding": asdict(embed(network, spec, images)),
    }
    return json.dumps(content, allow_nan=False).encode()


def filters(network: nn.Module, spec: TrainingSpec) -> tuple[list[Filter], int]:
    """The first filters of the first layer that has weights, and how many it has in all."""
    first = next(each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear))
    weights = first.weight.detach().float()
    if isinstance(first, nn.Linear):  # a weight for each pixel of an image
        dataset = DATASETS[spec.dataset]
        weights = weights.view(-1, dataset.channels, dataset.size, dataset.size)
    return [_filter(each) for each in weights[:MOST_FILTERS]], len(weights)


def _filter(weights: Tensor) -> Filter:
    """A filter of (channels, height, width); as bright as it is strong, by its largest weight."""
    strongest = max(weights.abs().max().item(), 1e-12)
    scaled = (weights / strongest).numpy()
    pixels = _in_color(scaled) if len(scaled) == 3 else _diverging(scaled.mean(0))
    return Filter(_png(pixels), weights.min().item(), weights.max().item())


def _in_color(scaled: np.ndarray) -> np.ndarray:
    """Gray is no weight; what a channel adds is brighter in its color, what it takes is darker."""
    bright: np.ndarray = np.round((scaled + 1) * 127.5).astype(np.uint8)
    return bright.transpose(1, 2, 0)


def _diverging(scaled: np.ndarray) -> np.ndarray:
    end = np.where(scaled[..., None] < 0, LOW, HIGH)
    part = np.abs(scaled)[..., None]
    pixels: np.ndarray = np.round(MIDDLE + (end - MIDDLE) * part).astype(np.uint8)
    return pixels


def _png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def embed(network: nn.Module, spec: TrainingSpec, images: Images) -> Embedding:
    """Some test images by the first two principal components of the network's last features."""
    chosen = _places(len(images), summary(spec.model, DATASETS[spec.dataset]).multiply_adds)
    some = Images(images.pixels[chosen], images.labels[chosen], images.largest_pixel)
    features, scores = _features(network, some)
    places, explained = project(features)
    lowest = places.min(0).values
    span = max((places.max(0).values - lowest).max().item(), 1e-12)
    whole = ((places - lowest) / span * FINEST).round().long()
    return Embedding(
        features=features.shape[1],
        explained=explained,
        total=len(images),
        count=len(some),
        x=predictions.pack(whole[:, 0].tolist()),
        y=predictions.pack(whole[:, 1].tolist()),
        labels=predictions.pack(some.labels.tolist()),
        predictions=predictions.pack(scores.argmax(1).tolist()),
    )


def _places(total: int, multiply_adds: int) -> Tensor:
    """As many places of the test set as there is time for, spread evenly."""
    affordable = int(MOST_WORK / max(1, multiply_adds))
    count = min(total, MOST_POINTS, max(FEWEST_POINTS, affordable))
    return torch.arange(count) * total // count


def _features(network: nn.Module, images: Images) -> tuple[Tensor, Tensor]:
    """What goes into the last layer, float32 (images, features), and the scores."""
    last = [each for each in network.modules() if isinstance(each, nn.Linear)][-1]
    kept: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _layer, given: kept.append(given[0].float()))
    try:
        scores = evaluation.predict(network, images)
    finally:
        hook.remove()
    return torch.cat(kept), scores


def project(features: Tensor) -> tuple[Tensor, list[float]]:
    """Rows by their first two principal components, and the share of the variance of each.

    A component's sign is chosen such that its largest loading is positive, so that equal features
    give equal pictures. What is computed in part begins with numbers of chance, the same each time.

    Returns:
        float64 (rows, 2), and two shares from 0 to 1.
    """
    centered = features.double() - features.double().mean(0)
    if centered.shape[1] < COMPONENTS:
        centered = nn.functional.pad(centered, (0, COMPONENTS - centered.shape[1]))
    if centered.shape[1] <= EXACT_UP_TO:
        variances, axes = torch.linalg.eigh(centered.T @ centered)  # the smallest come first
        variances, axes = variances.flip(0).clamp(min=0), axes.flip(1)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            _, strengths, axes = torch.pca_lowrank(centered, q=12, center=False, niter=6)
            variances = strengths.square()
    axes = axes[:, :COMPONENTS]
    largest = axes.abs().argmax(0)
    axes = axes * axes.gather(0, largest[None]).sign()
    total = centered.square().sum().item()
    shares = variances[:COMPONENTS] / (total or 1.0)
    return centered @ axes, shares.clamp(max=1.0).tolist()
