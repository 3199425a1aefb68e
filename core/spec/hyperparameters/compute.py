"""How the device computes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.spec.hyperparameters.base import Section


class Compute(Section):
    """How the device computes: speed against the last digits."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        title="Numeric precision",
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
