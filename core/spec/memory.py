"""About how much memory a run's training takes: an estimate, made before anything is built.

Counted are the weights, their gradients, what the optimizer keeps beside each weight, averaged
weights, and what the way back needs of each block for a whole batch, all as 32-bit numbers. Left
out are the images, torch itself and what it sets aside, so a process is larger.
"""

from __future__ import annotations

import math

from core.datasets.info import DatasetInfo
from core.languages import ENGLISH, speaking
from core.spec import shapes
from core.spec.hyperparameters import Hyperparameters

_NUMBER = 4
"""Bytes of a 32-bit number."""

_KEPT = {"sgd": 1, "adam": 2, "adamw": 2, "rmsprop": 2, "muon": 1}
"""Numbers that an optimizer keeps beside each weight, at most."""


def training_bytes(spec: Hyperparameters, dataset: DatasetInfo) -> int:
    """About how many bytes training takes on each device: a whole number."""
    with speaking(ENGLISH):  # a block is known by its name below
        network = shapes.summary(spec.model, dataset)
    kept = 2 + _KEPT.get(spec.optimizer.kind, 2) + (spec.regularization.ema > 0)
    images = math.ceil(spec.batch_size / spec.devices / spec.micro_batches)
    of_image = sum(_on_the_way_back(block) for block in network.blocks)
    return _NUMBER * (kept * network.parameters + images * of_image)


def _on_the_way_back(block: shapes.Block) -> int:
    """Numbers that are kept of one image for the way back: what comes out of each operation.

    The ReLU, and a batch norm, which stand within a block have outputs of their own.
    """
    operations = 1 if not block.parameters else 3 if "batch norm" in block.name else 2
    return operations * math.prod(block.shape)
