"""The hyperparameters, section by section: what each is, within which bounds, and for what.

Labels, help, bounds and choices of the form, the API and the terminal are read from here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.datasets.builtin import DatasetName


class Section(BaseModel):
    """A part of the spec. Frozen, strict about names, and made of JSON values only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(Section):
    """Which of the images are used, and where they are kept."""

    validation: float = Field(
        0.0,
        ge=0,
        le=0.5,
        title="Validation split",
        description="Share of the training images, of each class alike, that is kept apart to "
        "choose by: early stopping and the best epoch need it.",
    )
    subset: int | None = Field(
        None,
        ge=1,
        title="Subset",
        description="Train on the first so many images only, for a quick trial. Empty: on all.",
    )
    normalize: bool = Field(
        False,
        title="Normalize",
        description="Subtract the dataset's mean and divide by its standard deviation.",
    )
    placement: Literal["auto", "device", "stream"] = Field(
        "auto",
        title="Placement",
        description="device: all images lie in the device's memory. stream: batches are loaded as "
        "they are needed. auto: device where they fit. The batches are the same.",
    )


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


_LEARNING_RATE: dict[str, Any] = {
    "gt": 0,
    "le": 10,
    "title": "Learning rate",
    "description": "Step size. With a one-cycle schedule: the highest one reached.",
}
_WEIGHT_DECAY: dict[str, Any] = {
    "ge": 0,
    "le": 1,
    "title": "Weight decay",
    "description": "Pull of every weight towards zero at each step.",
}
_MOMENTUM: dict[str, Any] = {
    "ge": 0,
    "lt": 1,
    "title": "Momentum",
    "description": "How much of the previous step is kept.",
}


class SGD(Section):
    """Stochastic gradient descent."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: float = Field(0.1, **_LEARNING_RATE)
    momentum: float = Field(0.0, **_MOMENTUM)
    nesterov: bool = Field(
        False,
        title="Nesterov",
        description="Look ahead along the momentum; needs momentum above 0.",
    )
    weight_decay: float = Field(0.0, **_WEIGHT_DECAY)

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov: set momentum above 0, or turn nesterov off")
        return self


class Adam(Section):
    """Adam (Kingma and Ba, 2014)."""

    kind: Literal["adam"] = "adam"
    learning_rate: float = Field(0.001, **_LEARNING_RATE)
    weight_decay: float = Field(0.0, **_WEIGHT_DECAY)


class AdamW(Section):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2017)."""

    kind: Literal["adamw"] = "adamw"
    learning_rate: float = Field(0.001, **_LEARNING_RATE)
    weight_decay: float = Field(0.01, **_WEIGHT_DECAY)


class RMSprop(Section):
    """Steps divided by a running mean of the gradients' size (Hinton, 2012)."""

    kind: Literal["rmsprop"] = "rmsprop"
    learning_rate: float = Field(0.001, **_LEARNING_RATE)
    momentum: float = Field(0.0, **_MOMENTUM)
    alpha: float = Field(
        0.99,
        ge=0,
        lt=1,
        title="Alpha",
        description="How much of the running mean of squared gradients is kept at each step.",
    )
    weight_decay: float = Field(0.0, **_WEIGHT_DECAY)


class Muon(Section):
    """Momentum made orthogonal, for every convolution and matrix (Jordan and others, 2024).

    Biases, norms and the last layer are trained by AdamW, as its authors advise.
    """

    kind: Literal["muon"] = "muon"
    learning_rate: float = Field(0.02, **_LEARNING_RATE)
    momentum: float = Field(0.95, **_MOMENTUM)
    weight_decay: float = Field(0.0, **_WEIGHT_DECAY)
    adamw_learning_rate: float = Field(
        0.002,
        gt=0,
        le=10,
        title="Learning rate of AdamW",
        description="Step size for biases, norms and the last layer.",
    )


_WARMUP: dict[str, Any] = {
    "ge": 0,
    "lt": 1,
    "title": "Warm-up share",
    "description": "Share of the run in which the learning rate first rises evenly from nothing.",
}


class Constant(Section):
    """The same learning rate throughout."""

    kind: Literal["constant"] = "constant"
    warmup: float = Field(0.0, **_WARMUP)


class Step(Section):
    """Lower by a factor every few epochs."""

    kind: Literal["step"] = "step"
    every: int = Field(
        5, ge=1, le=1000, title="Every", description="Epochs between one step down and the next."
    )
    factor: float = Field(
        0.1, gt=0, lt=1, title="Factor", description="What the learning rate is multiplied by."
    )
    warmup: float = Field(0.0, **_WARMUP)


class Cosine(Section):
    """Fall along half a cosine wave (Loshchilov and Hutter, 2016)."""

    kind: Literal["cosine"] = "cosine"
    floor: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Floor",
        description="Share of the learning rate that is left at the end.",
    )
    warmup: float = Field(0.0, **_WARMUP)


class OneCycle(Section):
    """Rise to the learning rate, then fall to almost nothing (Smith and Topin, 2017)."""

    kind: Literal["one_cycle"] = "one_cycle"
    warmup: float = Field(
        0.3,
        gt=0,
        lt=1,
        title="Warm-up share",
        description="Share of the run spent on the rise.",
    )
    shape: Literal["cosine", "linear"] = Field(
        "cosine", title="Shape", description="How it rises and falls: along a wave, or evenly."
    )


class Plateau(Section):
    """Lower when the loss gets no better: that of the validation split, else of training."""

    model_config = ConfigDict(title="Reduce on plateau")

    kind: Literal["plateau"] = "plateau"
    patience: int = Field(
        3,
        ge=1,
        le=1000,
        title="Patience",
        description="Epochs without a better loss after which the learning rate is lowered.",
    )
    factor: float = Field(
        0.1, gt=0, lt=1, title="Factor", description="What the learning rate is multiplied by."
    )
    warmup: float = Field(0.0, **_WARMUP)


class Regularization(Section):
    """Against learning the training images by heart, and against steps that are too large."""

    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Label smoothing",
        description="Share of each label that is spread over all classes.",
    )
    mix: Literal["none", "mixup", "cutmix"] = Field(
        "none",
        title="Mix images",
        description="mixup: blend each image, and its label, with another's. cutmix: paste a "
        "rectangle of another.",
    )
    mixup_alpha: float = Field(
        0.4,
        gt=0,
        le=10,
        title="Mix strength",
        description="Alpha of the Beta distribution that shares are drawn from; more mixes more.",
    )
    gradient_clip: float | None = Field(
        None,
        gt=0,
        title="Gradient clipping",
        description="Longest gradient over all weights; longer ones are shortened. Empty: none.",
    )
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Weight averaging",
        description="Share of the running average of the weights that each step keeps (EMA), such "
        "as 0.99. The average is measured and published. 0: off.",
    )


_SHIFT: dict[str, Any] = {
    "ge": 0,
    "le": 16,
    "title": "Shift",
    "description": "Pixels to each side, at most.",
}
_ROTATION: dict[str, Any] = {
    "ge": 0,
    "le": 180,
    "title": "Rotation",
    "description": "Degrees to each side, at most.",
}
_SCALE: dict[str, Any] = {
    "ge": 0,
    "le": 0.5,
    "title": "Scale",
    "description": "Larger or smaller by this share, at most.",
}
_SHEAR: dict[str, Any] = {
    "ge": 0,
    "le": 45,
    "title": "Shear",
    "description": "Degrees to each side, at most.",
}
_FLIP: dict[str, Any] = {"title": "Flip", "description": "Every other image is mirrored."}
_CROP: dict[str, Any] = {
    "ge": 0,
    "le": 16,
    "title": "Crop",
    "description": "Pixels of empty margin added around an image, before one of its size is cut "
    "out.",
}
_ERASE: dict[str, Any] = {
    "ge": 0,
    "le": 0.9,
    "title": "Erase",
    "description": "Side of a square that is blanked, as a share of the image's. 0: none.",
}
_COLOR: dict[str, Any] = {
    "ge": 0,
    "le": 1,
    "title": "Color",
    "description": "Change of brightness, contrast and saturation, at most.",
}


class NoAugmentation(Section):
    """Every image as it is."""

    kind: Literal["none"] = "none"


class Handwriting(Section):
    """For digits and letters: shifted, turned, scaled and slanted a little; never mirrored."""

    kind: Literal["handwriting"] = "handwriting"
    shift: float = Field(2.0, **_SHIFT)
    rotation: float = Field(10.0, **_ROTATION)
    scale: float = Field(0.1, **_SCALE)
    shear: float = Field(5.0, **_SHEAR)
    erase: float = Field(0.0, **_ERASE)


class Clothes(Section):
    """For Fashion-MNIST: mirrored, cut out of a margin, a piece blanked."""

    kind: Literal["clothes"] = "clothes"
    flip: bool = Field(True, **_FLIP)
    crop: int = Field(2, **_CROP)
    rotation: float = Field(0.0, **_ROTATION)
    scale: float = Field(0.0, **_SCALE)
    erase: float = Field(0.25, **_ERASE)


class Photos(Section):
    """For color photographs: mirrored, cut out of a margin, colors changed, a piece blanked."""

    kind: Literal["photos"] = "photos"
    flip: bool = Field(True, **_FLIP)
    crop: int = Field(4, **_CROP)
    rotation: float = Field(0.0, **_ROTATION)
    scale: float = Field(0.0, **_SCALE)
    erase: float = Field(0.25, **_ERASE)
    color: float = Field(0.2, **_COLOR)


class Stopping(Section):
    """When the run ends before its last epoch."""

    patience: int | None = Field(
        None,
        ge=1,
        le=1000,
        title="Patience",
        description="Epochs without a better validation loss after which the run ends. Empty: all "
        "epochs are trained.",
    )
    target_accuracy: float | None = Field(
        None,
        gt=0,
        le=1,
        title="Target accuracy",
        description="Accuracy on the validation split, from 0 to 1, at which the run ends. Empty: "
        "none.",
    )
    time_limit_s: float | None = Field(
        None,
        gt=0,
        title="Time limit",
        description="Seconds of training after which the run ends, measured and published. Empty: "
        "none.",
    )


class Compute(Section):
    """How the device computes: speed against the last digits."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        title="Precision",
        description="auto: bf16 on a GPU that has it, else fp32. fp16 scales its losses, and needs "
        "device cuda.",
    )
    tf32: bool = Field(
        False,
        title="TF32",
        description="Let a GPU round the inputs of fp32 products to 10 bits: faster.",
    )
    compile: bool = Field(
        False,
        title="Compile",
        description="Let torch compile the network first: takes up to a minute, then each step is "
        "faster on a GPU.",
    )


class Publishing(Section):
    """What is made of the weights at the end. There is always a `.pt` file."""

    weights: Literal["last", "best"] = Field(
        "last",
        title="Weights",
        description="last: those of the last epoch. best: those of the epoch with the lowest "
        "validation loss.",
    )
    safetensors: bool = Field(
        True, title="safetensors", description="The weights alone, for any library."
    )
    onnx: bool = Field(
        True, title="ONNX", description="The whole network, to be run without torch."
    )


Model = Annotated[CNN | ResNet | ResNet18 | MLP, Field(discriminator="kind", title="Network")]
Optimizer = Annotated[
    SGD | Adam | AdamW | RMSprop | Muon, Field(discriminator="kind", title="Optimizer")
]
Schedule = Annotated[
    Constant | Step | Cosine | OneCycle | Plateau,
    Field(discriminator="kind", title="Learning rate schedule"),
]
Augmentation = Annotated[
    NoAugmentation | Handwriting | Clothes | Photos,
    Field(discriminator="kind", title="Augmentation"),
]


class Hyperparameters(Section):
    """All of them. `core.spec.spec.TrainingSpec` adds that they work together."""

    dataset: DatasetName = Field(
        "mnist", title="Dataset", description="The images to learn from and to test on."
    )
    batch_size: int = Field(
        64, ge=1, le=8192, title="Batch size", description="Images in each step."
    )
    micro_batches: int = Field(
        1,
        ge=1,
        le=1024,
        title="Micro-batches",
        description="Parts that each batch is computed in, one after the other: the same step with "
        "less memory. Batch norm sees the parts.",
    )
    epochs: int = Field(
        10,
        ge=1,
        le=1000,
        title="Epochs",
        description="Times that the whole training set is gone through.",
    )
    loss: Literal["cross_entropy", "multi_margin"] = Field(
        "cross_entropy",
        title="Loss",
        description="cross_entropy: for probabilities. multi_margin: the hinge loss of support "
        "vector machines.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Decides first weights, order, dropout and augmentation: same seed, same run.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        title="Device",
        description="auto: a GPU where the worker has one, else its CPU.",
    )
    devices: int = Field(
        1,
        ge=1,
        le=64,
        title="Devices",
        description="Devices of one host that share each batch (data-parallel training).",
    )
    data: Data = Field(
        default_factory=Data, title="Images", description="Which images, and how they are fed."
    )
    model: Model = Field(
        default_factory=CNN, title="Network", description="The network that is trained."
    )
    optimizer: Optimizer = Field(
        default_factory=SGD, title="Optimizer", description="How gradients change the weights."
    )
    schedule: Schedule = Field(
        default_factory=Constant,
        title="Learning rate schedule",
        description="How the learning rate changes over the run.",
    )
    augmentation: Augmentation = Field(
        default_factory=NoAugmentation,
        title="Augmentation",
        description="How each training image is varied, anew each time it is seen.",
    )
    regularization: Regularization = Field(
        default_factory=Regularization, title="Regularization", description=""
    )
    stopping: Stopping = Field(default_factory=Stopping, title="Stopping early", description="")
    compute: Compute = Field(default_factory=Compute, title="Computing", description="")
    publishing: Publishing = Field(
        default_factory=Publishing, title="Files", description="What is published at the end."
    )
