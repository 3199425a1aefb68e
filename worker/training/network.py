"""The networks, made from their part of the spec."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import torch
from torch import Tensor, nn

from core.catalogue import Dataset
from core.spec import CNN


def build(model: CNN, dataset: Dataset) -> nn.Sequential:
    """Make a network for images of a data set: (batch, channels, size, size) to (batch, classes).

    With kernel 5 and channels 8, 16, 32, 256 on 28x28 images this is the tutorial's network.
    """
    layers: list[nn.Module] = []
    channels, size = dataset.channels, dataset.size
    for number, width in enumerate(model.channels, 1):
        layers.append(nn.Conv2d(channels, width, model.kernel_size, padding=model.kernel_size // 2))
        if model.batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU())
        if number % 2:  # halve after the first, the third, …
            layers.append(nn.MaxPool2d(2))
            size //= 2
        channels = width
    layers.append(nn.Flatten())
    if model.dropout:
        layers.append(nn.Dropout(model.dropout))
    layers.append(nn.Linear(channels * size * size, len(dataset.classes)))
    return nn.Sequential(*layers)


def portable_weights(network: nn.Module) -> OrderedDict[str, Tensor]:
    """The network's state on the CPU, in the plain memory layout, in the order of its layers."""
    return OrderedDict(
        (name, value.detach().to("cpu", copy=True).contiguous())
        for name, value in network.state_dict().items()
    )


def digest(weights: OrderedDict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of all weights: equal runs have equal digests."""
    sha256 = hashlib.sha256()
    for name, value in weights.items():
        sha256.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        sha256.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return sha256.hexdigest()
