"""What the rest of the platform must know of a spec, without knowing the names of its fields.

These read stored specs, which may be of an earlier version and lack fields that came later.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from core import formats
from core.datasets.builtin import DATASETS
from core.languages import ngettext
from core.spec import memory, rates, rules, shapes
from core.spec.hyperparameters import Hyperparameters, Model
from core.spec.rates import Span
from core.spec.spec import Spec, merge
from core.spec.validation import KIND

DATASET = "dataset"
"""The field that names the images, for queries: runs that share it take about the same time."""

NETWORK_PARTS = (DATASET, "model")
"""What of a spec decides the shape of its network."""

PREVIEW_PARTS = (DATASET, "augmentation", "seed")
"""What of a spec decides which images there are, and how they are varied."""

_RATE = "learning_rate"
RATE = f"optimizer.{_RATE}"
"""The path of the learning rate."""

ESSENTIALS = (DATASET, f"model.{KIND}", "epochs", RATE, "data.validation")
"""The paths of the fields that a first run is decided by: a form shows them before all others."""

MODELS: tuple[str, ...] = tuple(
    get_args(kind.model_fields[KIND].annotation)[0] for kind in get_args(get_args(Model)[0])
)
"""The kinds of networks."""

SEED = "seed"
"""The field that decides what is random."""

_DEFAULTS = Hyperparameters().model_dump(mode="json")


def highlights(spec: Spec, without: Collection[str] = ()) -> tuple[str, ...]:
    """What tells one run from another at a glance: `mnist`, `cnn`, `sgd 0.1`, `10 epochs`.

    The words are in the chosen language.

    Args:
        spec: a whole spec, or changes to the defaults.
        without: the paths of fields that stand beside it already.
    """
    whole = merge(_DEFAULTS, spec)
    epochs, optimizer = whole["epochs"], whole["optimizer"]
    parts = {
        DATASET: whole[DATASET],
        f"model.{KIND}": whole["model"][KIND],
        RATE if f"optimizer.{KIND}" in without else f"optimizer.{KIND}": " ".join(
            _optimizer(optimizer, without)
        ),
        "epochs": ngettext("%(num)s epoch", "%(num)s epochs", epochs),
    }
    return tuple(text for path, text in parts.items() if path not in without)


def summary(spec: Spec, without: Collection[str] = ()) -> str:
    """What a run trains, in the few words that a list or a log line has room for."""
    return " · ".join(highlights(spec, without))


def default_name(changes: Spec) -> str:
    """The name of a run that was given none."""
    return f"{changes.get(DATASET, _DEFAULTS[DATASET])} run"


def seed(spec: Spec) -> int:
    """What decides what is random in a run."""
    return int(spec.get(SEED, _DEFAULTS[SEED]))


def has_validation(spec: Spec) -> bool:
    """Whether a run keeps a validation split apart."""
    return bool(spec.get("data", {}).get("validation"))


def network(spec: Hyperparameters) -> shapes.Summary:
    """The blocks of a spec's network."""
    return shapes.summary(spec.model, DATASETS[spec.dataset])


def memory_bytes(spec: Hyperparameters) -> int:
    """About how many bytes training takes on each device."""
    return memory.training_bytes(spec, DATASETS[spec.dataset])


@dataclass(frozen=True, slots=True)
class LearningRate:
    """The learning rate of a run that does not stop early."""

    drawn: Sequence[tuple[float, float]]
    """Shares of the run, from 0 to 1, with the learning rate there."""
    by_epoch: Sequence[tuple[int, float]]
    """Epochs, from 1, with the learning rate at their begin."""
    epochs: int
    is_open: bool
    """Whether the losses of the run decide when it is lowered."""


def learning_rate(spec: Hyperparameters, most: int, most_epochs: int) -> LearningRate:
    """How the learning rate of a run changes: at about `most` places, and of `most_epochs`."""
    batches = math.ceil(rules.train_count(spec, DATASETS[spec.dataset]) / spec.batch_size)
    span = Span(batches * spec.epochs, batches)
    highest = spec.optimizer.learning_rate
    every = math.ceil(spec.epochs / most_epochs)
    return LearningRate(
        [
            (step / max(1, span.steps - 1), highest * factor)
            for step, factor in rates.sampled(spec.schedule, span, most)
        ],
        [
            (epoch + 1, highest * rates.factor(spec.schedule, span, epoch * batches))
            for epoch in range(0, spec.epochs, every)
        ],
        spec.epochs,
        spec.schedule.kind == "plateau",
    )


def has_same_work(one: Spec, other: Spec) -> bool:
    """Whether an epoch of two specs on one dataset is about the same work."""
    return all(one.get(name) == other.get(name) for name in ("model", "batch_size", "data"))


def is_same_but_seed(one: Spec, other: Spec) -> bool:
    """Whether two specs ask for the same but for the random numbers."""
    return all(one.get(name) == other.get(name) for name in {*one, *other} - {"seed"})


def _optimizer(optimizer: Spec, without: Collection[str]) -> list[str]:
    rate = optimizer.get(_RATE)  # which says little without the optimizer
    is_told = rate is None or RATE in without
    return [optimizer[KIND]] if is_told else [optimizer[KIND], formats.short(rate)]


def dataset(spec: Spec) -> str:
    """The dataset that a run trains on."""
    return str(spec.get(DATASET, ""))


def model(spec: Spec) -> str:
    """The kind of network that a run trains."""
    return str(spec.get("model", {}).get(KIND, ""))


def device(spec: Spec) -> str:
    """The kind of device that a run asks for."""
    return str(spec.get("device", "auto"))


def leaves_precision_open(spec: Spec) -> bool:
    """Whether the device that a run gets decides what it computes in."""
    return bool(spec.get("compute", {}).get("precision", "auto") == "auto")


def values(spec: Spec) -> dict[str, float | str]:
    """Every hyperparameter by its dotted path, as a number or a text; those that are empty not.

    True is 1. A list of numbers is the text that a person would type.
    """
    return {path: _comparable(value) for path, value in flat(spec).items() if value is not None}


def flat(spec: Spec) -> dict[str, Any]:
    """Every hyperparameter by its dotted path, as it is."""
    return dict(_flat(spec, ""))


def _flat(part: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in part.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _comparable(value: Any) -> float | str:
    if isinstance(value, int | float):
        return float(value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def without_seed(spec: Spec) -> str:
    """What runs that differ in nothing but the seed have in common: a digest of the rest."""
    rest = {name: value for name, value in merge(_DEFAULTS, spec).items() if name != SEED}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:32]
