"""The training spec: the one definition of every hyperparameter.

The form, the API's schema and the terminal's help are all made from this model: a field's
title is its label, its description its help text, its constraints the bounds that a form or a
terminal shows. Unknown fields are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.catalogue import DATASETS, DatasetName
from core.errors import FieldError, InvalidInput
from core.wording import explain

Spec = Mapping[str, Any]


class Section(BaseModel):
    """A part of the spec. Frozen, strict about names, and made of JSON values only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CNN(Section):
    """Convolutions with ReLU, a 2x2 max-pool after every odd one, then one linear layer."""

    kind: Literal["cnn"] = "cnn"
    kernel_size: Literal[3, 5, 7] = Field(
        5,
        title="Kernel size",
        description="Width and height of every convolution's kernel, in pixels.",
    )
    channels: Annotated[
        tuple[Annotated[int, Field(ge=1, le=512)], ...],
        Field(
            min_length=1,
            max_length=6,
            title="Channels",
            description="Output channels of each convolution, first to last; 1 to 6 of them.",
        ),
    ] = (8, 16, 32, 256)
    batch_norm: bool = Field(
        False,
        title="Batch norm",
        description="Normalise after each convolution: learns faster, each step costs more.",
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Dropout",
        description="Share of features set to zero before the linear layer while training.",
    )


_LEARNING_RATE: dict[str, Any] = {
    "gt": 0,
    "le": 10,
    "title": "Learning rate",
    "description": "Step size. With a one-cycle schedule: the highest one reached.",
}
_WEIGHT_DECAY: dict[str, Any] = {
    "ge": 0,
    "le": 1,
    "title": "Weight decay",
    "description": "Pull of every weight towards zero at each step.",
}


class SGD(Section):
    """Stochastic gradient descent."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: float = Field(0.1, **_LEARNING_RATE)
    momentum: float = Field(
        0.0,
        ge=0,
        lt=1,
        title="Momentum",
        description="How much of the previous step is kept.",
    )
    nesterov: bool = Field(
        False,
        title="Nesterov",
        description="Look ahead along the momentum; needs momentum above 0.",
    )
    weight_decay: float = Field(0.0, **_WEIGHT_DECAY)

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov: set momentum above 0, or turn nesterov off")
        return self


class Adam(Section):
    """Adam (Kingma and Ba, 2014)."""

    kind: Literal["adam"] = "adam"
    learning_rate: float = Field(0.001, **_LEARNING_RATE)
    weight_decay: float = Field(0.0, **_WEIGHT_DECAY)


class AdamW(Section):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2017)."""

    kind: Literal["adamw"] = "adamw"
    learning_rate: float = Field(0.001, **_LEARNING_RATE)
    weight_decay: float = Field(0.01, **_WEIGHT_DECAY)


class Constant(Section):
    """The same learning rate throughout."""

    kind: Literal["constant"] = "constant"


class OneCycle(Section):
    """Rise to the learning rate, then fall to almost nothing (Smith and Topin, 2017)."""

    kind: Literal["one_cycle"] = "one_cycle"
    warmup: float = Field(
        0.3,
        gt=0,
        lt=1,
        title="Warm-up share",
        description="Share of the run spent on the rise.",
    )


Model = Annotated[CNN, Field(title="Network")]
Optimizer = Annotated[SGD | Adam | AdamW, Field(discriminator="kind", title="Optimizer")]
Schedule = Annotated[
    Constant | OneCycle, Field(discriminator="kind", title="Learning rate schedule")
]


class TrainingSpec(Section):
    """Everything that decides what a run computes: a run is a function of its spec and data."""

    dataset: DatasetName = Field(
        "mnist", title="Data set", description="The images to learn from and to test on."
    )
    model: Model = Field(
        default_factory=CNN, title="Network", description="The network that is trained."
    )
    optimizer: Optimizer = Field(
        default_factory=SGD, title="Optimizer", description="How gradients change the weights."
    )
    schedule: Schedule = Field(
        default_factory=Constant,
        title="Learning rate schedule",
        description="How the learning rate changes over the run.",
    )
    batch_size: int = Field(
        64, ge=1, le=8192, title="Batch size", description="Images in each step."
    )
    epochs: int = Field(
        10,
        ge=1,
        le=1000,
        title="Epochs",
        description="Times that the whole training set is gone through.",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Decides first weights, order and dropout: same seed, same run.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        title="Device",
        description="auto: a GPU where the worker has one, else its CPU.",
    )

    @model_validator(mode="after")
    def _fits_the_data(self) -> Self:
        dataset = DATASETS[self.dataset]
        if self.batch_size > dataset.train_count:
            raise ValueError(
                f"batch_size: {dataset.title} has {dataset.train_count} images to train on; "
                f"choose a batch size of at most that"
            )
        smallest_batch = dataset.train_count % self.batch_size or self.batch_size
        pixels_left = dataset.size >> (len(self.model.channels) // 2)
        if self.model.batch_norm and smallest_batch == 1 and pixels_left == 1:
            raise ValueError(
                "batch_size: a batch of one image is left over, and batch norm cannot work on the "
                "single value that this network leaves of it; choose another batch size"
            )
        return self


def parse(value: Spec) -> TrainingSpec:
    """Check a whole spec.

    Raises:
        InvalidInput: with one message for each wrong field, named by its dotted path.
    """
    try:
        return TrainingSpec.model_validate(value)
    except ValidationError as error:
        raise InvalidInput([_field_error(problem) for problem in _causes(error)]) from None


def merge(base: Spec, changes: Spec) -> dict[str, Any]:
    """Lay single fields over a whole spec.

    A section whose `kind` changes starts from that kind's own defaults: the momentum of `sgd`
    means nothing to `adam`.
    """
    merged = dict(base)
    for name, change in changes.items():
        current = merged.get(name)
        if isinstance(change, Mapping) and isinstance(current, Mapping):
            same_kind = change.get("kind", current.get("kind")) == current.get("kind")
            merged[name] = {**current, **change} if same_kind else dict(change)
        else:
            merged[name] = change
    return merged


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted names (`optimizer.momentum`) into the nested shape of a spec."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *sections, field = name.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise InvalidInput.one(name, f"{section} is a single value and has no parts")
        if isinstance(place.get(field), dict):
            raise InvalidInput.one(name, f"{field} is no single value: parts of it are set too")
        place[field] = value
    return nested


def schema() -> dict[str, Any]:
    """The JSON Schema of a spec."""
    return TrainingSpec.model_json_schema()


def _field_error(problem: Any) -> FieldError:
    """Name a pydantic problem by the dotted path that a person would type."""
    message = explain(problem)
    location = list(problem["loc"])
    if len(location) > 1 and location[0] in _SECTIONS_WITH_VARIANTS:
        del location[1]  # pydantic names the variant here
    if problem["type"] == "value_error":  # our own validators write "field: sentence"
        field, _, message = message.partition(": ")
        location.append(field)
    elif problem["type"].startswith("union_tag_"):
        location.append("kind")
    return FieldError(".".join(str(part) for part in location) or "spec", message)


_SECTIONS_WITH_VARIANTS = {
    name for name, info in TrainingSpec.model_fields.items() if info.discriminator
}


def _causes(error: ValidationError) -> list[Any]:
    """The problems, without a list's being too short because its members are wrong."""
    problems = error.errors()
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(_lies_below(other["loc"], problem["loc"]) for other in problems)
    ]


def _lies_below(inner: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer
