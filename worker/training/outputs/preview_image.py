"""The preview of an augmentation: a sheet of sixteen training images, as a run would see them.

They are the first of a run's first batch, where all images are trained on and none are mixed.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core.datasets.builtin import DATASETS
from core.errors import DataUnavailable
from core.messages import message
from core.spec.hyperparameters import Augmentation
from worker.training import random
from worker.training.data import datasets, download
from worker.training.data.augmentation import Augmenter

ROWS = 4
CELL = 56
"""Pixels that an image is enlarged to, about: by a whole number, so that it stays crisp."""
GAP = 2
"""Pixels between two images, through which the page is seen."""


def draw(dataset: str, augmentation: Augmentation, seed: int, data: Path) -> bytes:
    """Draw the sheet of an augmentation.

    Args:
        dataset: a dataset's name (`core/datasets/builtin.py`).
        augmentation: of the images.
        seed: of the run; decides which images, and the random numbers of the augmentation.
        data: folder of the datasets.

    Returns:
        A PNG of `ROWS` x `ROWS` images, gray or in color, with gaps that are transparent.

    Raises:
        DataUnavailable: the dataset is not here, or damaged.
    """
    facts = DATASETS[dataset]
    if dataset == "digits":  # they lie in a Python package: nothing is fetched
        download.ensure(dataset, data, lambda _text: None)
    if not datasets.is_present(dataset, data):
        raise DataUnavailable(message("data.not_on_worker", dataset=facts.title))
    train, _ = datasets.load(dataset, data)
    images, _ = train.batch(random.order(seed, 1, len(train))[: ROWS**2])
    numbers = Augmenter.draw(random.generator(seed, "augmentation", 1, 1), len(images))
    return _png(Augmenter(augmentation, facts).apply(images, numbers))


def _png(images: Tensor) -> bytes:
    """A sheet of float32 (`ROWS`**2, channels, size, size) in [0, 1]."""
    count, channels, size, _ = images.shape
    factor = max(1, round(CELL / size))
    pixels = images.clamp(0, 1).mul(255).round().to(torch.uint8)
    large = pixels.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    step = size * factor + GAP
    sheet = np.zeros((step * ROWS - GAP, step * ROWS - GAP, channels + 1), np.uint8)
    for number in range(count):
        top, left = number // ROWS * step, number % ROWS * step
        cell = sheet[top : top + step - GAP, left : left + step - GAP]
        cell[..., :-1] = large[number].permute(1, 2, 0).numpy()
        cell[..., -1] = 255
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "PNG")
    return file.getvalue()
