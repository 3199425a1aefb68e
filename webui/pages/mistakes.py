"""Test images that a run took for another class, of those whose pictures are kept with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from webui.api.shapes import JSON


@dataclass(frozen=True, slots=True)
class Mistake:
    """An image that was predicted to be of another class."""

    index: int
    true: str
    predicted: str
    confidence: float
    image: str
    """A PNG, in Base64."""


def mistakes(content: Mapping[str, Any], found: Iterable[JSON]) -> list[Mistake]:
    """Some of the mistakes of an evaluation, with the names of their classes."""
    names = [each["name"] for each in content["classes"]]
    return [
        Mistake(
            index=each["index"],
            true=names[each["label"]],
            predicted=names[each["predicted"]],
            confidence=each["confidence"],
            image=each["image"],
        )
        for each in found
    ]
