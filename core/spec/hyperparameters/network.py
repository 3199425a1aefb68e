"""The networks that can be trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from core.spec.hyperparameters.base import Section

_DROPOUT: dict[str, Any] = {
    "ge": 0,
    "lt": 1,
    "title": "Dropout",
    "description": "Share of features set to zero before the linear layer while training.",
}


class CNN(Section):
    """Convolutions with ReLU, 2x2 max-pools between them, then one linear layer."""

    kind: Literal["cnn"] = "cnn"
    kernel_size: Literal[3, 5, 7] = Field(
        5,
        title="Kernel size",
        description="Width and height of every convolution's kernel, in pixels.",
    )
    channels: Annotated[
        tuple[Annotated[int, Field(ge=1, le=512)], ...],
        Field(
            min_length=1,
            max_length=6,
            title="Channels",
            description="Output channels of each convolution, first to last; 1 to 6 of them.",
        ),
    ] = (8, 16, 32, 256)
    stem: Literal["pool", "stride"] = Field(
        "pool",
        title="Stem",
        description="pool: the first convolution sees every pixel, then a max-pool halves. stride: "
        "it is 5x5 and moves by two pixels instead, for a quarter of the work.",
    )
    pooling: Literal["alternate", "every"] = Field(
        "alternate",
        title="Pooling",
        description="alternate: a max-pool after the first, the third, … convolution. every: after "
        "each.",
    )
    batch_norm: bool = Field(
        False,
        title="Batch norm",
        description="Normalize after each convolution: learns faster, each step costs more.",
    )
    dropout: float = Field(0.0, **_DROPOUT)


class ResNet(Section):
    """A residual network for small images (He and others, 2015, section 4.2)."""

    kind: Literal["resnet"] = "resnet"
    depth: Literal[8, 14, 20, 32] = Field(
        8,
        title="Depth",
        description="Layers with weights: three stages of 1, 2, 3 or 5 blocks, two layers each.",
    )
    width: int = Field(
        16,
        ge=4,
        le=256,
        title="Width",
        description="Channels of the first stage; the second has twice, the third four times as "
        "many.",
    )


class ResNet18(Section):
    """The ResNet-18 of torchvision, with a first layer for small images. 11 million weights."""

    model_config = ConfigDict(title="ResNet-18")

    kind: Literal["resnet18"] = "resnet18"


class MLP(Section):
    """Linear layers with ReLU on all pixels at once: what a network without convolutions does."""

    kind: Literal["mlp"] = "mlp"
    hidden: Annotated[
        tuple[Annotated[int, Field(ge=1, le=4096)], ...],
        Field(
            min_length=1,
            max_length=6,
            title="Hidden layers",
            description="Features of each hidden layer, first to last; 1 to 6 of them.",
        ),
    ] = (256, 128)
    dropout: float = Field(0.0, **_DROPOUT)


Model = Annotated[CNN | ResNet | ResNet18 | MLP, Field(discriminator="kind", title="Network")]
