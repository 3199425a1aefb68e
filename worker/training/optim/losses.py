"""The losses that a spec may name."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Loss = Literal["cross_entropy", "multi_margin"]


def loss_of(kind: Loss, scores: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """The mean loss of a batch: float32 ().

    Args:
        kind: of loss.
        scores: float32 (count, classes), before any softmax.
        labels: int64 (count,).
        label_smoothing: share of each label that is spread over all classes; cross-entropy only.
    """
    if kind == "multi_margin":
        return functional.multi_margin_loss(scores, labels)
    return functional.cross_entropy(scores, labels, label_smoothing=label_smoothing)


def measure(kind: Loss, scores: Tensor, labels: Tensor) -> tuple[float, float]:
    """The mean loss and the accuracy, from 0 to 1, of scores (count, classes)."""
    labels = labels.to(scores.device)
    correct = (scores.argmax(1) == labels).sum(dtype=torch.float64)
    return loss_of(kind, scores, labels).item(), correct.item() / len(labels)
