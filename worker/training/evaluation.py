"""Measuring a network on images that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.training.datasets import Images

BATCH = 1000


@torch.inference_mode()
def evaluate(
    network: nn.Module, images: Images, before_batch: Callable[[], None] = lambda: None
) -> tuple[float, float]:
    """Mean cross-entropy, and the share of images whose class is found (0 to 1).

    The network is left in the mode, training or not, in which it was found.

    Args:
        network: takes (batch, channels, size, size), gives (batch, classes).
        images: what to measure on.
        before_batch: called before each batch; may raise to end the evaluation.
    """
    was_training = network.training
    network.eval()
    device = images.labels.device
    loss = torch.zeros((), dtype=torch.float64, device=device)
    correct = torch.zeros((), dtype=torch.int64, device=device)
    for indices in torch.split(torch.arange(len(images), device=device), BATCH):
        before_batch()
        pixels, labels = images.batch(indices)
        scores: Tensor = network(pixels)
        loss += functional.cross_entropy(scores, labels, reduction="sum").double()
        correct += (scores.argmax(1) == labels).sum()
    network.train(was_training)
    return loss.item() / len(images), correct.item() / len(images)
