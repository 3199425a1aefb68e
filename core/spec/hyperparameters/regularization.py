"""What keeps a network from learning its images by heart."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.spec.hyperparameters.base import Section


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
