"""The hyperparameters, a file a section: what each is, within which bounds, and for what.

Labels, help, bounds and choices of the form, the API and the terminal are read from here.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.spec.hyperparameters.augmentation import (
    Augmentation,
    Clothes,
    Handwriting,
    NoAugmentation,
    Photos,
)
from core.spec.hyperparameters.base import Section
from core.spec.hyperparameters.compute import Compute
from core.spec.hyperparameters.data import Data, Dataset
from core.spec.hyperparameters.network import CNN, MLP, Model, ResNet, ResNet18
from core.spec.hyperparameters.optimizer import SGD, Adam, AdamW, Muon, Optimizer, RMSprop
from core.spec.hyperparameters.publishing import Publishing
from core.spec.hyperparameters.regularization import Regularization
from core.spec.hyperparameters.schedule import Constant, Cosine, OneCycle, Plateau, Schedule, Step
from core.spec.hyperparameters.stopping import Stopping

__all__ = [
    "CNN",
    "MLP",
    "SGD",
    "Adam",
    "AdamW",
    "Augmentation",
    "Clothes",
    "Compute",
    "Constant",
    "Cosine",
    "Data",
    "Dataset",
    "Handwriting",
    "Hyperparameters",
    "Model",
    "Muon",
    "NoAugmentation",
    "OneCycle",
    "Optimizer",
    "Photos",
    "Plateau",
    "Publishing",
    "RMSprop",
    "Regularization",
    "ResNet",
    "ResNet18",
    "Schedule",
    "Section",
    "Step",
    "Stopping",
]


class Hyperparameters(Section):
    """All of them. `core.spec.spec.TrainingSpec` adds that they work together."""

    dataset: Dataset = Field(
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
        title="Loss function",
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
        description="How each training image is varied, differently each time it is seen.",
    )
    regularization: Regularization = Field(
        default_factory=Regularization, title="Regularization", description=""
    )
    stopping: Stopping = Field(default_factory=Stopping, title="Stopping early", description="")
    compute: Compute = Field(default_factory=Compute, title="Computing", description="")
    publishing: Publishing = Field(
        default_factory=Publishing, title="Files", description="What is published at the end."
    )
