"""When a run ends before its last epoch."""

from __future__ import annotations

from pydantic import Field

from core.spec.hyperparameters.base import Section


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
