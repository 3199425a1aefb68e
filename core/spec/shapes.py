"""What a network of the spec looks like, worked out without building it: the web knows no torch.

`worker/training/model/network.py` builds what is described here; tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core import formats
from core.datasets.info import DatasetInfo
from core.languages import gettext, ngettext
from core.spec.hyperparameters import CNN, MLP, Model, ResNet, ResNet18

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A step of a network that a person would name, with the batch norm and ReLU that follow it."""

    name: str
    shape: Shape
    """What comes out for one image: channels, height and width, or a number of features."""
    parameters: int
    """Values that are trained: weights, biases, and two for each channel of a batch norm."""
    multiply_adds: int
    """Of one image: those of convolutions, shortcuts' projections and linear layers."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The blocks of a network, first to last, and the sums over them."""

    blocks: tuple[Block, ...]
    parameters: int
    multiply_adds: int


def summary(model: Model, dataset: DatasetInfo) -> Summary:
    """Describe a network for images of a dataset.

    MACs are those of convolutions and linear layers, for one image on its way forward.
    Norms, ReLU, pools and biases are left out, as is usual: they are few.
    """
    blocks = tuple(_KINDS[model.kind](model, dataset))
    return Summary(
        blocks,
        sum(block.parameters for block in blocks),
        sum(block.multiply_adds for block in blocks),
    )


def smallest_map(model: Model, dataset: DatasetInfo) -> int | None:
    """The width of the smallest feature map that batch norm sees, in pixels; None without one."""
    if isinstance(model, MLP) or (isinstance(model, CNN) and not model.batch_norm):
        return None
    # only convolutions give maps by weights, and each has its batch norm
    return min(b.shape[-1] for b in summary(model, dataset).blocks if _is_map(b) and b.parameters)


def vanishes(model: Model, dataset: DatasetInfo) -> bool:
    """Whether the images are halved until no pixel is left of them."""
    return any(block.shape[-1] == 0 for block in summary(model, dataset).blocks if _is_map(block))


def is_pooled(model: CNN, number: int) -> bool:
    """Whether a max-pool follows a convolution; the first has number 1."""
    if number == 1 and model.stem == "stride":
        return False
    return model.pooling == "every" or number % 2 == 1


def _is_map(block: Block) -> bool:
    return len(block.shape) == 3


def _cnn(model: CNN, dataset: DatasetInfo) -> Iterator[Block]:
    shape = _image(dataset)
    for number, width in enumerate(model.channels, 1):
        strided = number == 1 and model.stem == "stride"
        block = _convolution(
            shape,
            width,
            5 if strided else model.kernel_size,
            stride=2 if strided else 1,
            batch_norm=model.batch_norm,
        )
        yield block
        shape = block.shape
        if is_pooled(model, number):
            shape = (width, shape[1] // 2, shape[2] // 2)
            yield Block(gettext("Max-pool 2x2"), shape, 0, 0)
    flat = _flatten(shape)
    yield flat
    yield from _decision(flat.shape, model.dropout, dataset)


def _resnet(model: ResNet, dataset: DatasetInfo) -> Iterator[Block]:
    widths = [model.width, 2 * model.width, 4 * model.width]
    return _residual(dataset, widths, (model.depth - 2) // 6)


def _resnet18(_: ResNet18, dataset: DatasetInfo) -> Iterator[Block]:
    return _residual(dataset, [64, 128, 256, 512], 2)


def _residual(dataset: DatasetInfo, widths: Sequence[int], blocks: int) -> Iterator[Block]:
    block = _convolution(_image(dataset), widths[0], 3, bias=False, batch_norm=True)
    yield block
    for number, width in enumerate(widths, 1):
        block = _stage(number, block.shape, width, blocks)
        yield block
    features = block.shape[:1]
    yield Block(gettext("Global average pool"), features, 0, 0)
    yield _linear(features, len(dataset.classes))


def _stage(number: int, shape: Shape, width: int, blocks: int) -> Block:
    """Residual blocks of two convolutions; the first one of a later stage halves the image."""
    layers: list[Block] = []
    for index in range(blocks):
        stride = 2 if number > 1 and index == 0 else 1
        first = _convolution(shape, width, 3, stride=stride, bias=False, batch_norm=True)
        layers += [first, _convolution(first.shape, width, 3, bias=False, batch_norm=True)]
        if shape != first.shape:  # the shortcut's projection
            layers.append(_convolution(shape, width, 1, stride=stride, bias=False, batch_norm=True))
        shape = first.shape
    return Block(
        ngettext(
            "Stage %(number)s: %(num)s block of 2 convolutions, %(width)s channels",
            "Stage %(number)s: %(num)s blocks of 2 convolutions, %(width)s channels",
            blocks,
            number=number,
            width=width,
        ),
        shape,
        sum(layer.parameters for layer in layers),
        sum(layer.multiply_adds for layer in layers),
    )


def _mlp(model: MLP, dataset: DatasetInfo) -> Iterator[Block]:
    block = _flatten(_image(dataset))
    yield block
    for width in model.hidden:
        block = _linear(block.shape, width)
        yield block
    yield from _decision(block.shape, model.dropout, dataset)


_KINDS: dict[str, Callable[[Any, DatasetInfo], Iterator[Block]]] = {
    "cnn": _cnn,
    "resnet": _resnet,
    "resnet18": _resnet18,
    "mlp": _mlp,
}


def _image(dataset: DatasetInfo) -> Shape:
    return (dataset.channels, dataset.size, dataset.size)


def _convolution(
    before: Shape,
    width: int,
    kernel_size: int,
    *,
    stride: int = 1,
    bias: bool = True,
    batch_norm: bool,
) -> Block:
    """A convolution with half a kernel of padding: only its stride makes an image smaller."""
    channels, *sides = before
    shape = (width, *(math.ceil(side / stride) for side in sides))
    weights = channels * kernel_size**2
    return Block(
        _name_of_convolution(kernel_size, stride, batch_norm=batch_norm),
        shape,
        width * (weights + bias + 2 * batch_norm),
        weights * math.prod(shape),
    )


def _name_of_convolution(kernel_size: int, stride: int, *, batch_norm: bool) -> str:
    name = gettext("Conv %(size)sx%(size)s", size=kernel_size)
    if stride > 1 and batch_norm:
        return gettext("%(conv)s, stride %(stride)s, batch norm", conv=name, stride=stride)
    if stride > 1:
        return gettext("%(conv)s, stride %(stride)s", conv=name, stride=stride)
    return gettext("%(conv)s, batch norm", conv=name) if batch_norm else name


def _decision(before: Shape, dropout: float, dataset: DatasetInfo) -> Iterator[Block]:
    if dropout:
        yield Block(gettext("Dropout %(share)s", share=formats.exact(dropout)), before, 0, 0)
    yield _linear(before, len(dataset.classes))


def _flatten(before: Shape) -> Block:
    return Block(gettext("Flatten"), (math.prod(before),), 0, 0)


def _linear(before: Shape, width: int) -> Block:
    (features,) = before
    return Block(gettext("Linear"), (width,), (features + 1) * width, features * width)
