"""Named specs to start from. A submit may name one and override single fields of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.errors import InvalidInput
from core.languages.texts import unfilled
from core.messages import message
from core.spec import spec
from core.spec.hyperparameters import (
    CNN,
    SGD,
    AdamW,
    Clothes,
    Data,
    Handwriting,
    OneCycle,
    Regularization,
)
from core.spec.spec import TrainingSpec
from core.spec.validation import KIND


@dataclass(frozen=True, slots=True)
class Preset:
    """A spec with a name, the reason to choose it, and what came of it."""

    name: str
    title: str
    reason: str
    result: str
    """As it was measured; `bench/RESULTS.md` says on which machine."""
    spec: TrainingSpec


_TUTORIAL = TrainingSpec()
_MOMENTUM = SGD(learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.0005)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="quick",
            title="Quick",
            reason="One short epoch with a one-cycle schedule: better than the tutorial's network, "
            "in seconds.",
            result="MNIST 98.9% in 4.5 s.",
            spec=TrainingSpec(
                data=Data(normalize=True),
                model=CNN(
                    kernel_size=3,
                    channels=(8, 16, 32),
                    stem="stride",
                    pooling="every",
                    batch_norm=True,
                ),
                optimizer=_MOMENTUM,
                schedule=OneCycle(warmup=0.25),
                batch_size=128,
                epochs=1,
            ),
        ),
        Preset(
            name="tutorial",
            title="Tutorial",
            reason="The classic first network: ten epochs of plain SGD.",
            result="MNIST 99.1% in 4.5 min.",
            spec=_TUTORIAL,
        ),
        Preset(
            name="tutorial_bn_dropout",
            title="Tutorial, batch norm and dropout",
            reason="The tutorial's network with the two remedies that come next in every course.",
            result="MNIST 99.2% in 6.5 min.",
            spec=_TUTORIAL.model_copy(update={"model": CNN(batch_norm=True, dropout=0.5)}),
        ),
        Preset(
            name="best",
            title="Best",
            reason="The highest accuracy on MNIST in about ten minutes on two cores: a deeper "
            "network, augmentation, label smoothing and averaged weights.",
            result="MNIST 99.7% in 9 min.",
            spec=TrainingSpec(
                data=Data(normalize=True),
                model=CNN(
                    kernel_size=3,
                    channels=(32, 32, 64, 64, 128),
                    batch_norm=True,
                    dropout=0.4,
                ),
                optimizer=_MOMENTUM,
                schedule=OneCycle(warmup=0.2),
                augmentation=Handwriting(),
                regularization=Regularization(label_smoothing=0.1, ema=0.998),
                batch_size=128,
                epochs=12,
            ),
        ),
        Preset(
            name="fashion",
            title="Fashion",
            reason="Fashion-MNIST within half an hour on two cores: wider layers, mirrored and "
            "partly blanked images.",
            result="Fashion-MNIST 93.6% in 20 min.",
            spec=TrainingSpec(
                dataset="fashion_mnist",
                data=Data(normalize=True),
                model=CNN(
                    kernel_size=3,
                    channels=(32, 64, 64, 128, 128),
                    batch_norm=True,
                    dropout=0.3,
                ),
                optimizer=_MOMENTUM,
                schedule=OneCycle(warmup=0.2),
                augmentation=Clothes(),
                regularization=Regularization(label_smoothing=0.1, ema=0.998),
                batch_size=128,
                epochs=24,
            ),
        ),
        Preset(
            name="digits_seconds",
            title="Digits in seconds",
            reason="A whole run, from the queue to the files, in less than three seconds: to see "
            "how it all works.",
            result="Digits 99.2% in 1.2 s.",
            spec=TrainingSpec(
                dataset="digits",
                data=Data(normalize=True),
                model=CNN(kernel_size=3, channels=(16, 32), batch_norm=True),
                optimizer=AdamW(learning_rate=0.01),
                schedule=OneCycle(),
                batch_size=64,
                epochs=20,
            ),
        ),
    )
}


def shown() -> Sequence[Preset]:
    """The presets with their texts in the chosen language."""
    return [
        replace(
            each,
            title=unfilled(each.title),
            reason=unfilled(each.reason),
            result=unfilled(each.result),
        )
        for each in PRESETS.values()
    ]


def resolve(preset: str | None, changes: spec.Spec | None = None) -> TrainingSpec:
    """Lay `changes`, if any, over a preset (or over the defaults) and check the result.

    Raises:
        InvalidInput: the preset is unknown, or a field is wrong.
    """
    base: dict[str, Any] = {}
    if preset is not None:
        if preset not in PRESETS:
            reason = message("spec.unknown_preset", known=list(PRESETS))
            raise InvalidInput.one("preset", reason)
        base = PRESETS[preset].spec.model_dump(mode="json")
    else:
        base = TrainingSpec().model_dump(mode="json")
    return spec.parse(spec.merge(base, changes or {}))


def changes(preset: str | None, wanted: TrainingSpec) -> dict[str, Any]:
    """The single fields that lead from a preset, or from the defaults, to a spec: by `resolve`."""
    base = resolve(preset).model_dump(mode="json")
    found: dict[str, Any] = {}
    for name, value in wanted.model_dump(mode="json").items():
        if not isinstance(value, dict):
            if value != base[name]:
                found[name] = value
        elif part := _changes_of_part(base[name], value, getattr(wanted, name)):
            found[name] = part
    return found


def _changes_of_part(before: dict[str, Any], after: dict[str, Any], part: Any) -> dict[str, Any]:
    """What differs in a section; one of another kind is compared with that kind's defaults."""
    kind = after.get(KIND)
    if kind == before.get(KIND):
        return {name: value for name, value in after.items() if value != before.get(name)}
    defaults = type(part)().model_dump(mode="json")
    differing = {name: value for name, value in after.items() if value != defaults[name]}
    return {KIND: kind} | differing
