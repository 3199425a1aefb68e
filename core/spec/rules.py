# ruff: noqa: E501
"""What cannot work together: found when a run is submitted, not minutes later in a worker.

A rule looks at the whole spec, and yields the field to change with a sentence that names the others
and says what to change. What depends on the hosts that are there is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from core.datasets.builtin import DATASETS, Dataset
from core.errors import FieldError
from core.messages import plain
from core.spec import shapes
from core.spec.hyperparameters import CNN, Clothes, Handwriting, Hyperparameters, Photos

Mistakes = Iterator[FieldError]


def mistakes(spec: Hyperparameters) -> Mistakes:
    """Everything that is wrong with a spec whose single fields are right."""
    for rule in _RULES:
        yield from rule(spec, DATASETS[spec.dataset])


def validation_count(spec: Hyperparameters) -> int:
    """Images that are kept apart from training."""
    return round(_images(spec) * spec.data.validation)


def train_count(spec: Hyperparameters) -> int:
    """Images that are trained on in an epoch."""
    return _images(spec) - validation_count(spec)


def _images(spec: Hyperparameters) -> int:
    count = DATASETS[spec.dataset].train_count
    return min(spec.data.subset or count, count)


def _subset(spec: Hyperparameters, dataset: Dataset) -> Mistakes:
    if (spec.data.subset or 0) > dataset.train_count:
        yield FieldError(
            "data.subset",
            plain(
                f"{dataset.title} has {dataset.train_count} images to train on; choose at most that"
            ),
        )


def _validation(spec: Hyperparameters, dataset: Dataset) -> Mistakes:
    classes = len(dataset.classes)
    if spec.data.validation and validation_count(spec) < classes:
        yield FieldError(
            "data.validation",
            plain(
                f"{spec.data.validation:g} of {_images(spec)} images are {validation_count(spec)}, and "
                f"{dataset.title} has {classes} classes; choose a larger share or a larger data.subset"
            ),
        )


def _chosen_by_validation(spec: Hyperparameters, _: Dataset) -> Mistakes:
    if spec.data.validation:
        return
    why = "is decided by a validation split, and there is none; set data.validation above 0, or"
    if spec.stopping.patience is not None:
        yield FieldError("stopping.patience", plain(f"early stopping {why} leave this empty"))
    if spec.stopping.target_accuracy is not None:
        yield FieldError("stopping.target_accuracy", plain(f"the target {why} leave this empty"))
    if spec.publishing.weights == "best":
        yield FieldError("publishing.weights", plain(f"the best epoch {why} choose last"))


def _batches(spec: Hyperparameters, dataset: Dataset) -> Mistakes:
    count, parts = train_count(spec), spec.micro_batches * spec.devices
    if spec.batch_size > count:
        yield FieldError(
            "batch_size",
            plain(
                f"{dataset.title} has {count} images to train on here; choose a batch size of at most "
                "that"
            ),
        )
        return
    smallest = count % spec.batch_size or spec.batch_size
    if spec.batch_size < parts:
        yield FieldError(
            "batch_size",
            plain(
                f"a batch of {spec.batch_size} cannot be split in {parts} parts (micro_batches times "
                "devices); choose a larger batch size, or less of those"
            ),
        )
    elif smallest < spec.devices:
        yield FieldError(
            "batch_size",
            plain(
                f"a batch of {smallest} is left over at the end of an epoch, too few for "
                f"{spec.devices} devices; choose another batch size"
            ),
        )
    elif _needs_two_images(spec, dataset) and 1 in (
        _smallest_part(spec, spec.batch_size),
        _smallest_part(spec, smallest),
    ):
        yield FieldError(
            "batch_size",
            plain(
                "a part of one image is left over, and batch norm cannot work on the single value that "
                "this network leaves of it; choose another batch size, or less micro_batches"
            ),
        )


def _smallest_part(spec: Hyperparameters, images: int) -> int:
    """Images in the smallest part that a batch of so many is computed in, on any device."""
    largest = math.ceil(math.ceil(spec.batch_size / spec.devices) / spec.micro_batches)
    ours = images // spec.devices
    return ours // math.ceil(ours / largest)


def _needs_two_images(spec: Hyperparameters, dataset: Dataset) -> bool:
    """Whether batch norm would see a single value of a single image."""
    return shapes.smallest_map(spec.model, dataset) == 1


def _kernel(spec: Hyperparameters, dataset: Dataset) -> Mistakes:
    if isinstance(spec.model, CNN) and spec.model.kernel_size > dataset.size:
        yield FieldError(
            "model.kernel_size",
            plain(
                f"the images of {dataset.title} are {dataset.size} pixels wide; choose a kernel of at "
                "most that"
            ),
        )


def _halvings(spec: Hyperparameters, dataset: Dataset) -> Mistakes:
    if isinstance(spec.model, CNN) and shapes.vanishes(spec.model, dataset):
        yield FieldError(
            "model.channels",
            plain(
                f"the images of {dataset.title} are {dataset.size} pixels wide, and no pixel is left "
                "after so many max-pools; choose fewer channels"
            ),
        )


def _loss(spec: Hyperparameters, _: Dataset) -> Mistakes:
    if spec.loss == "cross_entropy":
        return
    why = f"needs loss cross_entropy: {spec.loss} takes whole labels only; change loss, or"
    if spec.regularization.mix != "none":
        yield FieldError(
            "regularization.mix", plain(f"{spec.regularization.mix} {why} choose none")
        )
    if spec.regularization.label_smoothing:
        yield FieldError(
            "regularization.label_smoothing", plain(f"label smoothing {why} set this to 0")
        )


def _augmentation(spec: Hyperparameters, dataset: Dataset) -> Mistakes:
    chosen = spec.augmentation
    if isinstance(chosen, Photos) and chosen.color and dataset.channels == 1:
        yield FieldError(
            "augmentation.color",
            plain(
                f"the images of {dataset.title} are gray and have no colors to change; set this to 0, "
                "or choose another augmentation.kind"
            ),
        )
    if isinstance(chosen, Handwriting) and chosen.shift >= dataset.size:
        yield FieldError(
            "augmentation.shift",
            plain(
                f"the images of {dataset.title} are {dataset.size} pixels wide; shift them by less"
            ),
        )
    if isinstance(chosen, Photos | Clothes) and chosen.crop >= dataset.size:
        yield FieldError(
            "augmentation.crop",
            plain(
                f"the images of {dataset.title} are {dataset.size} pixels wide; choose a margin "
                "narrower than that"
            ),
        )


def _device(spec: Hyperparameters, _: Dataset) -> Mistakes:
    if spec.compute.precision == "fp16" and spec.device != "cuda":
        yield FieldError(
            "compute.precision",
            plain(
                f"fp16 needs a GPU, and device is {spec.device}; set device to cuda, or choose auto"
            ),
        )
    if spec.compute.precision == "fp16" and spec.optimizer.kind == "muon":
        yield FieldError(
            "compute.precision",
            plain(
                "fp16 scales its losses, which Muon does not take; choose bf16, or another optimizer"
            ),
        )
    if spec.compute.tf32 and spec.device == "cpu":
        yield FieldError(
            "compute.tf32",
            plain("TF32 is a GPU's, and device is cpu; turn it off, or change device"),
        )


_RULES: tuple[Callable[[Hyperparameters, Dataset], Mistakes], ...] = (
    _subset,
    _validation,
    _chosen_by_validation,
    _batches,
    _kernel,
    _halvings,
    _loss,
    _augmentation,
    _device,
)
