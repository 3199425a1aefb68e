"""What the rest of the platform must know of a spec, without knowing the names of its fields.

These read stored specs, which may be of an earlier version and lack fields that came later.
"""

from __future__ import annotations

from typing import get_args

from core import formats
from core.datasets.builtin import DATASETS
from core.spec import shapes
from core.spec.hyperparameters import Hyperparameters, Model
from core.spec.spec import Spec, merge
from core.spec.validation import KIND

DATASET = "dataset"
"""The field that names the images, for queries: runs that share it take about the same time."""

NETWORK_PARTS = (DATASET, "model")
"""What of a spec decides the shape of its network."""

PREVIEW_PARTS = (DATASET, "augmentation", "seed")
"""What of a spec decides which images there are, and how they are varied."""

ESSENTIALS = (DATASET, f"model.{KIND}", "epochs", "optimizer.learning_rate", "data.validation")
"""The paths of the fields that a first run is decided by: a form shows them before all others."""

MODELS: tuple[str, ...] = tuple(
    get_args(kind.model_fields[KIND].annotation)[0] for kind in get_args(get_args(Model)[0])
)
"""The kinds of networks."""

_DEFAULTS = Hyperparameters().model_dump(mode="json")


def highlights(spec: Spec) -> tuple[str, ...]:
    """What tells one run from another at a glance: `mnist`, `cnn`, `sgd 0.1`, `10 epochs`.

    Args:
        spec: a whole spec, or changes to the defaults.
    """
    whole = merge(_DEFAULTS, spec)
    epochs = whole["epochs"]
    return (
        whole[DATASET],
        whole["model"][KIND],
        " ".join(_optimizer(whole["optimizer"])),
        f"{epochs} epoch" if epochs == 1 else f"{epochs} epochs",
    )


def summary(spec: Spec) -> str:
    """What a run trains, in the few words that a list or a log line has room for."""
    return " · ".join(highlights(spec))


def default_name(changes: Spec) -> str:
    """The name of a run that was given none."""
    return f"{changes.get(DATASET, _DEFAULTS[DATASET])} run"


def has_validation(spec: Spec) -> bool:
    """Whether a run keeps a validation split apart."""
    return bool(spec.get("data", {}).get("validation"))


def network(spec: Hyperparameters) -> shapes.Summary:
    """The blocks of a spec's network."""
    return shapes.summary(spec.model, DATASETS[spec.dataset])


def _optimizer(optimizer: Spec) -> list[str]:
    rate = optimizer.get("learning_rate")
    return [optimizer[KIND]] if rate is None else [optimizer[KIND], formats.short(rate)]


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
