"""What a trainer would report, with values that a test need not care about."""

from __future__ import annotations

from typing import Any

from core.protocol.reports import EpochEnd, Evaluated, Started

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
"""A picture of one pixel, in Base64."""


def started(**values: Any) -> Started:
    """A beginning on two threads of a CPU."""
    usual = {"device": "CPU", "threads": 2, "precision": "fp32", "epochs": 1, "batches": 10}
    return Started(**{**usual, **values})


def epoch_end(**values: Any) -> EpochEnd:
    """The end of the first epoch of ten batches, without a validation split."""
    usual = {
        "epoch": 1,
        "step": 10,
        "batch": 10,
        "train_loss": 0.2,
        "validation_loss": None,
        "validation_accuracy": None,
        "test_loss": 0.1,
        "test_accuracy": 0.9,
        "learning_rate": 0.1,
        "gradient_norm": 0.75,
        "memory_bytes": 412_000_000,
        "seconds": 2.0,
        "images_per_s": 9.0,
        "eta_s": 1.0,
    }
    return EpochEnd(**{**usual, **values})


def evaluated(
    names: tuple[str, ...] = ("cat", "dog"),
    confusion: tuple[tuple[int, ...], ...] = ((8, 2), (1, 9)),
) -> Evaluated:
    """What a network of two classes does, which takes two cats for dogs."""
    mistakes = [
        {"index": 7 + n, "label": 0, "predicted": 1, "confidence": 0.99 - n / 100, "image": PNG}
        for n in range(30)
    ]
    return Evaluated(
        content={
            "count": sum(map(sum, confusion)),
            "accuracy": 0.85,
            "loss": 0.4321,
            "confusion": [list(row) for row in confusion],
            "classes": [
                {"name": name, "precision": 0.8, "recall": 0.75, "f1": 0.774, "support": sum(row)}
                for name, row in zip(names, confusion, strict=True)
            ],
            "calibration": {
                "expected_calibration_error": 0.0321,
                "bins": [
                    {"lower": 0.0, "upper": 0.5, "count": 0, "confidence": None, "accuracy": None},
                    {"lower": 0.5, "upper": 1.0, "count": 20, "confidence": 0.9, "accuracy": 0.85},
                ],
            },
            "mistakes": mistakes,
        }
    )
