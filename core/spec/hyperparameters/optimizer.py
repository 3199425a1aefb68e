"""The optimizers: how gradients change the weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from core.errors import FieldError
from core.messages import message
from core.spec.hyperparameters.base import Section
from core.spec.validation import Incompatible

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
            reason = message("spec.nesterov_needs_momentum")
            raise Incompatible([FieldError("nesterov", reason)])
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


Optimizer = Annotated[
    SGD | Adam | AdamW | RMSprop | Muon, Field(discriminator="kind", title="Optimizer")
]
