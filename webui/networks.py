"""What a network looks like before it is trained: its blocks, worked out from a spec's part."""

from __future__ import annotations

from typing import Any

from core.errors import InvalidInput
from core.messages import message
from core.spec import facts, presets, spec
from core.spec.hyperparameters import Hyperparameters
from core.spec.shapes import Summary

PARTS = facts.NETWORK_PARTS


def summarize(asked: spec.Spec) -> Summary:
    """The blocks of the network that some parts of a spec describe; the others are defaults.

    Raises:
        InvalidInput: naming every wrong field.
    """
    unknown = sorted(set(asked) - set(PARTS))
    if unknown:
        reason = message("input.unknown_field_of_these", parts=list(PARTS))
        raise InvalidInput.one(unknown[0], reason)
    return facts.network(_checked(asked))


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
