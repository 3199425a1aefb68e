"""Named specs to start from. A submit may name one and override single fields of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core import spec
from core.errors import FieldError, InvalidInput
from core.spec import CNN, SGD, OneCycle, TrainingSpec


@dataclass(frozen=True, slots=True)
class Preset:
    """A spec with a name and the reason to choose it."""

    name: str
    title: str
    reason: str
    spec: TrainingSpec


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="quick",
            title="Quick",
            reason="One epoch with a one-cycle schedule: MNIST to about 99% in seconds.",
            spec=TrainingSpec(
                model=CNN(kernel_size=3, channels=(16, 32, 32), batch_norm=True),
                optimizer=SGD(learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.0005),
                schedule=OneCycle(),
                batch_size=128,
                epochs=1,
            ),
        ),
        Preset(
            name="tutorial",
            title="Tutorial",
            reason="The classic first network: ten epochs of plain SGD, about 98.8% on MNIST.",
            spec=TrainingSpec(),
        ),
    )
}


def resolve(preset: str | None, changes: spec.Spec) -> TrainingSpec:
    """Lay `changes` over a preset (or over the defaults) and check the result.

    Raises:
        InvalidInput: the preset is unknown, or a field is wrong.
    """
    base: dict[str, Any] = {}
    if preset is not None:
        if preset not in PRESETS:
            known = ", ".join(PRESETS)
            raise InvalidInput([FieldError("preset", f"there is no such preset; known: {known}")])
        base = PRESETS[preset].spec.model_dump(mode="json")
    else:
        base = TrainingSpec().model_dump(mode="json")
    return spec.parse(spec.merge(base, changes))
