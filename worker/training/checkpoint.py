"""The file that a finished run publishes."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

from core.reports import File
from core.spec import TrainingSpec
from worker.training.network import digest, portable_weights

FORMAT_VERSION = 1


def write(
    network: nn.Module,
    spec: TrainingSpec,
    folder: Path,
    *,
    epoch: int,
    test_loss: float,
    test_accuracy: float,
) -> tuple[str, File]:
    """Write `model.pt`: a dictionary that `torch.load(..., weights_only=True)` reads.

    `state_dict` holds the weights, `spec` what they were trained by, `metrics` how they did.

    Returns:
        The digest of the weights, and the file.
    """
    weights = portable_weights(network)
    weights_sha256 = digest(weights)
    path = folder / "model.pt"
    with path.open("wb") as file:
        torch.save(
            {
                "format_version": FORMAT_VERSION,
                "state_dict": weights,
                "weights_sha256": weights_sha256,
                "spec": spec.model_dump(mode="json"),
                "metrics": {
                    "epoch": epoch,
                    "test_loss": test_loss,
                    "test_accuracy": test_accuracy,
                },
            },
            file,
        )
        file.flush()
        os.fsync(file.fileno())
    return weights_sha256, File(format="pt", path=str(path), filename=f"{spec.dataset}-cnn.pt")
