"""What cannot work together: found when a run is submitted, not minutes later in a worker.

A rule looks at the whole spec and what is known of its images, and yields the field to change with
a message that names the others and says what to change. What depends on the hosts that are there
is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from core.datasets.info import DatasetInfo
from core.errors import FieldError
from core.messages import message
from core.spec import shapes
from core.spec.hyperparameters import CNN, Clothes, Handwriting, Hyperparameters, Photos

Mistakes = Iterator[FieldError]


def mistakes(spec: Hyperparameters, dataset: DatasetInfo) -> Mistakes:
    """Everything that is wrong with a spec whose single fields are right."""
    for rule in _RULES:
        yield from rule(spec, dataset)


def validation_count(spec: Hyperparameters, dataset: DatasetInfo) -> int:
    """Images that are kept apart from training."""
    return round(_images(spec, dataset) * spec.data.validation)


def train_count(spec: Hyperparameters, dataset: DatasetInfo) -> int:
    """Images that are trained on in an epoch."""
    return _images(spec, dataset) - validation_count(spec, dataset)


def _images(spec: Hyperparameters, dataset: DatasetInfo) -> int:
    return min(spec.data.subset or dataset.train_count, dataset.train_count)


def _mistake(field: str, code: str, **params: Any) -> FieldError:
    return FieldError(field, message(code, **params))


def _subset(spec: Hyperparameters, dataset: DatasetInfo) -> Mistakes:
    if (spec.data.subset or 0) > dataset.train_count:
        yield _mistake(
            "data.subset",
            "spec.subset_too_large",
            dataset=dataset.title,
            images=dataset.train_count,
        )


def _validation(spec: Hyperparameters, dataset: DatasetInfo) -> Mistakes:
    split, classes = validation_count(spec, dataset), len(dataset.classes)
    if spec.data.validation and split < classes:
        yield _mistake(
            "data.validation",
            "spec.validation_too_small",
            share=spec.data.validation,
            images=_images(spec, dataset),
            split=split,
            dataset=dataset.title,
            classes=classes,
        )


def _chosen_by_validation(spec: Hyperparameters, _: DatasetInfo) -> Mistakes:
    if spec.data.validation:
        return
    if spec.stopping.patience is not None:
        yield _mistake("stopping.patience", "spec.patience_without_validation")
    if spec.stopping.target_accuracy is not None:
        yield _mistake("stopping.target_accuracy", "spec.target_without_validation")
    if spec.publishing.weights == "best":
        yield _mistake("publishing.weights", "spec.best_without_validation")


def _batches(spec: Hyperparameters, dataset: DatasetInfo) -> Mistakes:
    count, parts = train_count(spec, dataset), spec.micro_batches * spec.devices
    smallest = count % spec.batch_size or spec.batch_size
    if spec.batch_size > count:
        yield _mistake("batch_size", "spec.batch_too_large", dataset=dataset.title, images=count)
    elif spec.batch_size < parts:
        yield _mistake("batch_size", "spec.batch_too_small", images=spec.batch_size, parts=parts)
    elif smallest < spec.devices:
        yield _mistake(
            "batch_size", "spec.last_batch_too_small", images=smallest, devices=spec.devices
        )
    elif _needs_two_images(spec, dataset) and 1 in (_micro_batch(spec), smallest // spec.devices):
        yield _mistake("batch_size", "spec.batch_of_one")


def _micro_batch(spec: Hyperparameters) -> int:
    """Images in the largest part that the spec asks for.

    Smaller parts are of two images at least (`Batch.split`), but for the share of one image that a
    device may get of an epoch's last batch.
    """
    return math.ceil(math.ceil(spec.batch_size / spec.devices) / spec.micro_batches)


def _needs_two_images(spec: Hyperparameters, dataset: DatasetInfo) -> bool:
    """Whether batch norm would see a single value of a single image."""
    return shapes.smallest_map(spec.model, dataset) == 1


def _kernel(spec: Hyperparameters, dataset: DatasetInfo) -> Mistakes:
    if isinstance(spec.model, CNN) and spec.model.kernel_size > dataset.size:
        yield _too_wide("model.kernel_size", "spec.kernel_too_large", dataset)


def _halvings(spec: Hyperparameters, dataset: DatasetInfo) -> Mistakes:
    if isinstance(spec.model, CNN) and shapes.vanishes(spec.model, dataset):
        yield _too_wide("model.channels", "spec.too_many_pools", dataset)


def _loss(spec: Hyperparameters, _: DatasetInfo) -> Mistakes:
    if spec.loss == "cross_entropy":
        return
    if spec.regularization.mix != "none":
        yield _mistake(
            "regularization.mix",
            "spec.mix_needs_cross_entropy",
            mix=spec.regularization.mix,
            loss=spec.loss,
        )
    if spec.regularization.label_smoothing:
        yield _mistake(
            "regularization.label_smoothing", "spec.smoothing_needs_cross_entropy", loss=spec.loss
        )


def _augmentation(spec: Hyperparameters, dataset: DatasetInfo) -> Mistakes:
    chosen = spec.augmentation
    if isinstance(chosen, Photos) and chosen.color and dataset.channels == 1:
        yield _mistake("augmentation.color", "spec.no_colors", dataset=dataset.title)
    if isinstance(chosen, Handwriting) and chosen.shift >= dataset.size:
        yield _too_wide("augmentation.shift", "spec.shift_too_large", dataset)
    if isinstance(chosen, Photos | Clothes) and chosen.crop >= dataset.size:
        yield _too_wide("augmentation.crop", "spec.crop_too_large", dataset)


def _too_wide(field: str, code: str, dataset: DatasetInfo) -> FieldError:
    return _mistake(field, code, dataset=dataset.title, size=dataset.size)


def _device(spec: Hyperparameters, _: DatasetInfo) -> Mistakes:
    if spec.compute.precision == "fp16" and spec.device != "cuda":
        yield _mistake("compute.precision", "spec.fp16_needs_gpu", device=spec.device)
    if spec.compute.precision == "fp16" and spec.optimizer.kind == "muon":
        yield _mistake("compute.precision", "spec.fp16_with_muon")
    if spec.compute.tf32 and spec.device == "cpu":
        yield _mistake("compute.tf32", "spec.tf32_needs_gpu")


_RULES: tuple[Callable[[Hyperparameters, DatasetInfo], Mistakes], ...] = (
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
