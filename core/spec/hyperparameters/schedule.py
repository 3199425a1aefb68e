"""The schedules: how the learning rate changes over a run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from core.spec.hyperparameters.base import Section

_WARMUP: dict[str, Any] = {
    "ge": 0,
    "lt": 1,
    "title": "Warm-up share",
    "description": "Share of the run in which the learning rate first rises evenly from zero.",
}


class Constant(Section):
    """The same learning rate throughout."""

    kind: Literal["constant"] = "constant"
    warmup: float = Field(0.0, **_WARMUP)


class Step(Section):
    """Lower by a factor every few epochs."""

    model_config = ConfigDict(title="Step decay")

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


Schedule = Annotated[
    Constant | Step | Cosine | OneCycle | Plateau,
    Field(discriminator="kind", title="Learning rate schedule"),
]
