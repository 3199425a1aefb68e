"""What a run predicted each image of its test set as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core import predictions

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A test image that is shown."""

    index: int
    label: int
    predicted: int
    confidence: float | None
    """None: it was not kept."""

    @property
    def is_correct(self) -> bool:
        """Whether it was predicted as what it is."""
        return self.label == self.predicted


def choose(content: JSON, true: int | None, predicted: int | None) -> list[Chosen]:
    """Images of a class, predicted as a class; where neither is named, those that are wrong.

    The most confident come first, and those whose confidence was not kept in their own order.
    """
    is_wanted_anyhow = true is not None or predicted is not None
    found = [
        each
        for each in every(content)
        if (true is None or each.label == true)
        and (predicted is None or each.predicted == predicted)
        and (is_wanted_anyhow or not each.is_correct)
    ]
    return sorted(found, key=lambda each: -(each.confidence or 0))


def every(content: JSON) -> Sequence[Chosen]:
    """Each test image, as far as an evaluation knows them: the first release kept errors alone."""
    by_index = {each["index"]: each["confidence"] for each in content["mistakes"]}
    if "predictions" not in content:
        return [
            Chosen(each["index"], each["label"], each["predicted"], each["confidence"])
            for each in content["mistakes"]
        ]
    labels, found = (predictions.unpack(content[name]) for name in ("labels", "predictions"))
    packed = content.get("confidences")
    whole = predictions.unpack(packed) if packed else None
    return [
        Chosen(
            index,
            label,
            predicted,
            whole[index] / predictions.SURE if whole else by_index.get(index),
        )
        for index, (label, predicted) in enumerate(zip(labels, found, strict=True))
    ]
