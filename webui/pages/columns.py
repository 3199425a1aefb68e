"""The columns of the table of epochs: what each measures, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core import formats
from core.languages import gettext


@dataclass(frozen=True, slots=True)
class Column:
    """One measurement of an epoch."""

    title: str
    key: str
    """Its name in the API."""
    format: str
    """The function that writes it, of `core.formats` and of `format.js` alike."""

    def text(self, epoch: dict[str, Any]) -> str:
        """What stands in the column for an epoch."""
        return str(getattr(formats, self.format)(epoch[self.key]))


def columns(*, validated: bool) -> list[Column]:
    """The columns of a run; those of a validation split only where it has one."""
    return [each for each in _columns() if validated or not each.key.startswith("validation_")]


def _columns() -> tuple[Column, ...]:
    return (
        Column(gettext("Epoch"), "epoch", "whole"),
        Column(gettext("Train loss"), "train_loss", "number"),
        Column(gettext("Validation loss"), "validation_loss", "number"),
        Column(gettext("Test loss"), "test_loss", "number"),
        Column(gettext("Validation accuracy"), "validation_accuracy", "percent"),
        Column(gettext("Test accuracy"), "test_accuracy", "percent"),
        Column(gettext("Learning rate"), "learning_rate", "short"),
        Column(gettext("Gradient norm"), "gradient_norm", "short"),
        Column(gettext("Peak memory"), "memory_bytes", "size"),
        Column(gettext("Time"), "seconds", "duration"),
        Column(gettext("Images/s"), "images_per_s", "whole"),
    )
