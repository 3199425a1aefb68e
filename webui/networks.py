"""What a network looks like before it is trained: its blocks, worked out from a spec's part."""

from __future__ import annotations

from typing import Any

from core.datasets.builtin import DATASETS
from core.errors import InvalidInput
from core.spec import presets, shapes, spec
from core.spec.hyperparameters import Hyperparameters
from core.spec.shapes import Summary

PARTS = ("dataset", "model")
"""What of a spec decides the shape of its network."""


def summarize(asked: spec.Spec) -> Summary:
    """The blocks of the network that `dataset` and `model` describe; what is not said is a default.

    Raises:
        InvalidInput: naming every wrong field.
    """
    unknown = sorted(set(asked) - set(PARTS))
    if unknown:
        raise InvalidInput.one(unknown[0], f"unknown field; send {' and '.join(PARTS)}")
    chosen = _checked(asked)
    return shapes.summary(chosen.model, DATASETS[chosen.dataset])


def _checked(asked: spec.Spec) -> Hyperparameters:
    try:
        return presets.resolve(None, asked)
    except InvalidInput as error:
        # the defaults of what was not asked about may not suit this dataset
        concerning = [each for each in error.errors if each.field.partition(".")[0] in PARTS]
        if concerning:
            raise InvalidInput(concerning) from None
    return Hyperparameters.model_validate(spec.merge(_defaults(), asked))


def _defaults() -> dict[str, Any]:
    return Hyperparameters().model_dump(mode="json")
