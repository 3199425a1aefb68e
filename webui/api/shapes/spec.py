"""What can be asked for: presets, datasets, and the shape of a network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from core.datasets.info import DatasetInfo
from core.spec.presets import Preset
from webui.api.shapes.base import JSON, Shape


class PresetShape(Shape):
    """A named spec."""

    name: str
    title: str
    reason: str
    result: str | None
    spec: JSON

    @classmethod
    def of(cls, preset: Preset) -> PresetShape:
        """The shape of a preset."""
        return cls(
            name=preset.name,
            title=preset.title,
            reason=preset.reason,
            result=preset.result or None,
            spec=preset.spec.model_dump(mode="json"),
        )


class DatasetShape(Shape):
    """What is known of a dataset; `mean` and `std` have a value for each channel."""

    name: str
    title: str
    description: str
    channels: int
    size: int
    classes: list[str]
    train_count: int
    test_count: int
    mean: list[float]
    std: list[float]
    license: str
    source: str


class SpecShape(Shape):
    """What can be asked for: the JSON Schema of a spec, presets and datasets."""

    json_schema: Annotated[JSON, Field(alias="schema")]
    presets: list[PresetShape]
    datasets: list[DatasetShape]

    @classmethod
    def of(
        cls, schema: JSON, presets: Iterable[Preset], datasets: Iterable[DatasetInfo]
    ) -> SpecShape:
        """The shape of all that there is."""
        parts = {
            "schema": schema,
            "presets": [PresetShape.of(preset) for preset in presets],
            "datasets": [DatasetShape.model_validate(dataset) for dataset in datasets],
        }
        return cls.model_validate(parts)


class Block(Shape):
    """A block of a network: what comes out for one image, and what it costs."""

    name: str
    shape: list[int]
    parameters: int
    multiply_adds: int


class NetworkShape(Shape):
    """The blocks of a network, first to last, and their sums."""

    parameters: int
    multiply_adds: int
    blocks: list[Block]
