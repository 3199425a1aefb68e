"""The networks, made from their part of the spec."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.datasets.info import DatasetInfo
from core.spec.hyperparameters import CNN, MLP, Model, ResNet, ResNet18
from core.spec.shapes import is_pooled


def build(model: Model, dataset: DatasetInfo, *, normalize: bool = False) -> nn.Module:
    """Build a network for images of a dataset: (batch, channels, size, size) to (batch, classes).

    `core/spec/shapes.py` knows its shapes and parameters without torch.

    Args:
        model: the part of the spec that describes it.
        dataset: whose images, with pixels between 0 and 1, it takes.
        normalize: begin with a layer `Normalize`, so that the network takes plain images wherever
            it is used.
    """
    network = _KINDS[model.kind](model, dataset)
    if not normalize:
        return network
    return nn.Sequential(OrderedDict(normalize=Normalize(dataset), network=network))


class Normalize(nn.Module):
    """Standardizes images by the mean and standard deviation of a dataset's pixels, by channel."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, dataset: DatasetInfo) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(dataset.mean).reshape(1, -1, 1, 1))
        # the buffer's name is in every published file, and in the digest of its weights
        self.register_buffer("deviation", torch.tensor(dataset.std).reshape(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.deviation


def _cnn(model: CNN, dataset: DatasetInfo) -> nn.Sequential:
    """With kernel 5 and channels 8, 16, 32, 256 on 28x28 images this is the tutorial's network."""
    layers: list[nn.Module] = []
    channels, size = dataset.channels, dataset.size
    for number, width in enumerate(model.channels, 1):
        strided = number == 1 and model.stem == "stride"
        if strided:
            layers.append(nn.Conv2d(channels, width, 5, stride=2, padding=2))
            size = math.ceil(size / 2)
        else:
            kernel_size = model.kernel_size
            layers.append(nn.Conv2d(channels, width, kernel_size, padding=kernel_size // 2))
        if model.batch_norm:
            layers.append(nn.BatchNorm2d(width))
        if is_pooled(model, number):
            layers.append(nn.MaxPool2d(2))
            size //= 2
        # behind the pool it has a quarter of the work, and the same comes out: the largest of four
        # is cut off at 0 or not, whichever is done first
        layers.append(nn.ReLU(inplace=True))
        channels = width
    layers.append(FlattenByPixel())
    if model.dropout:
        layers.append(Dropout(model.dropout))
    layers.append(LinearByPixel(channels, size, len(dataset.classes)))
    return nn.Sequential(*layers)


class Dropout(nn.Dropout):
    """Dropout that can draw from a generator of its own, as several threads at once must."""

    generator: torch.Generator | None = None

    def forward(self, images: Tensor) -> Tensor:
        if self.generator is None or not self.training:
            return super().forward(images)
        kept = torch.empty_like(images).bernoulli_(1 - self.p, generator=self.generator)
        return images * kept.div_(1 - self.p)


class FlattenByPixel(nn.Module):
    """Flattens feature maps into one row an image, pixel by pixel, with adjacent channels.

    `nn.Flatten` goes channel by channel. Maps lie in memory pixel by pixel (channels last), so that
    is a copy, and its gradient comes back in another layout than the maps': together a tenth of the
    time of a step of the tutorial's network on a CPU.
    """

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1).flatten(1)


class LinearByPixel(nn.Linear):
    """The linear layer after `FlattenByPixel`; equals `nn.Linear` after `nn.Flatten`.

    Its weights are those of `nn.Linear`, in the same order.
    """

    def __init__(self, channels: int, size: int, classes: int) -> None:
        super().__init__(channels * size * size, classes)
        self._shape = (channels, size * size)

    def forward(self, rows: Tensor) -> Tensor:
        weight = self.weight.view(-1, *self._shape).transpose(1, 2).flatten(1)
        return functional.linear(rows, weight, self.bias)


def _mlp(model: MLP, dataset: DatasetInfo) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    features = dataset.channels * dataset.size * dataset.size
    for width in model.hidden:
        layers += [nn.Linear(features, width), nn.ReLU()]
        features = width
    return nn.Sequential(*layers, *_decision(features, model.dropout, dataset))


def _decision(features: int, dropout: float, dataset: DatasetInfo) -> Iterator[nn.Module]:
    if dropout:
        yield Dropout(dropout)
    yield nn.Linear(features, len(dataset.classes))


def _resnet(model: ResNet, dataset: DatasetInfo) -> nn.Sequential:
    """He and others (2015), section 4.2, with a projection where a shortcut changes its shape."""
    width, blocks = model.width, (model.depth - 2) // 6
    network = nn.Sequential(
        *_convolution(dataset.channels, width, 3),
        nn.ReLU(inplace=True),
        _stage(blocks, width, width),
        _stage(blocks, width, 2 * width, stride=2),
        _stage(blocks, 2 * width, 4 * width, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, len(dataset.classes)),
    )
    return network.apply(_draw_convolution)


def _stage(blocks: int, channels: int, width: int, stride: int = 1) -> nn.Sequential:
    rest = (ResidualBlock(width, width) for _ in range(blocks - 1))
    return nn.Sequential(ResidualBlock(channels, width, stride), *rest)


NARROW = 8
"""Channels below which a strided 1x1 convolution becomes one of every second pixel: on CPUs with
AVX2 and one thread, oneDNN's own kernel writes beyond its memory (seen with torch 2.14)."""


class ResidualBlock(nn.Module):
    """A residual block (He and others, 2015): two 3x3 convolutions, added to their input.

    Like torchvision's `BasicBlock`, which would cost every run the import of torchvision.
    """

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.thinned = 1
        """The stride at which the shortcut reads rows and columns."""
        self.convolutions = nn.Sequential(
            *_convolution(channels, width, 3, stride),
            nn.ReLU(inplace=True),
            *_convolution(width, width, 3),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != width:
            projection, norm = _convolution(channels, width, 1, stride)
            self.shortcut = nn.Sequential(projection, norm)
            if channels < NARROW:
                projection.stride = (1, 1)
                self.thinned = stride

    def forward(self, images: Tensor) -> Tensor:
        seen = images if self.thinned == 1 else images[:, :, :: self.thinned, :: self.thinned]
        return functional.relu(self.convolutions(images) + self.shortcut(seen), inplace=True)


def _convolution(
    channels: int, width: int, kernel_size: int, stride: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    padding = kernel_size // 2
    convolution = nn.Conv2d(channels, width, kernel_size, stride, padding, bias=False)
    return convolution, nn.BatchNorm2d(width)


def _draw_convolution(module: nn.Module) -> None:
    """Draw a convolution's weights (He and others, 2015: "Delving deep into rectifiers")."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _resnet18(_: ResNet18, dataset: DatasetInfo) -> nn.Module:
    """Torchvision's ResNet-18 with a stem for small images: 3x3, stride 1, no pooling."""
    # this import takes 1.3 s where torch is there already, so other runs go without it
    from torchvision.models import resnet18  # noqa: PLC0415

    network: nn.Module = resnet18(num_classes=len(dataset.classes), weights=None)
    network.conv1 = nn.Conv2d(dataset.channels, 64, 3, padding=1, bias=False)
    network.conv1.apply(_draw_convolution)
    network.maxpool = nn.Identity()
    return network


_KINDS: dict[str, Callable[[Any, DatasetInfo], nn.Module]] = {
    "cnn": _cnn,
    "resnet": _resnet,
    "resnet18": _resnet18,
    "mlp": _mlp,
}


def portable_weights(network: nn.Module) -> OrderedDict[str, Tensor]:
    """The network's state on the CPU, contiguous, in the order of its layers."""
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
