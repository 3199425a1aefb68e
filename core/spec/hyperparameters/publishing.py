"""What is published of a run at its end."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.spec.hyperparameters.base import Section


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
