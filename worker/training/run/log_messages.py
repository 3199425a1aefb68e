"""The messages of a run's log."""

from __future__ import annotations

import torch

from core.messages import Message, message
from core.spec.spec import TrainingSpec
from worker.training.run.precision import Precision
from worker.training.run.snapshot_file import Measured, Progress


def device_name(device: torch.device) -> str:
    """The device's name for people."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def chosen(spec: TrainingSpec, device: torch.device, precision: Precision, processes: int) -> str:
    """What a run computes with, and in what; and whether that was left open in the spec."""
    return (
        f"Training on {device_name(device)} in {precision}"
        f"{' (auto)' if spec.compute.precision == 'auto' else ''}, "
        f"{torch.get_num_threads()} CPU threads"
        + (f", {processes} devices." if processes > 1 else ".")
    )


def resumed(progress: Progress) -> str:
    """Where a run goes on."""
    done = f"epoch {progress.epochs}"
    if progress.batch:
        done = f"batch {progress.batch} of epoch {progress.epochs + 1}"
    return f"Training goes on after {done}, from a snapshot."


def sampled(progress: Progress, epochs: int, batches: int, mean_loss: float) -> str:
    """How far a run is in an epoch, of so many epochs and batches."""
    place = f"epoch {progress.epochs + 1}/{epochs} batch {progress.batch}/{batches}"
    return f"{place} loss {mean_loss:.4f}"


def measured(of: Measured, epochs: int) -> str:
    """What was measured after an epoch, of so many."""
    validation = ""
    if of.validation_loss is not None and of.validation_accuracy is not None:
        validation = (
            f"validation loss {of.validation_loss:.4f}, validation accuracy "
            f"{of.validation_accuracy:.2%}, "
        )
    return (
        f"epoch {of.epoch}/{epochs} done: average loss {of.train_loss:.4f}, {validation}"
        f"test loss {of.test_loss:.4f}, test accuracy {of.test_accuracy:.2%}"
    )


def lowered(patience: int, factor: float) -> str:
    """That the loss stands still and the learning rate falls."""
    return (
        f"The loss got no better for {patience} epochs: the learning rate is multiplied by "
        f"{factor:g}."
    )


def shrunk(micro_batch: int) -> str:
    """That batches are computed in parts from here on."""
    return (
        "The device's memory is full: each batch is computed in parts of at most "
        f"{micro_batch} images from here on, whose gradients are added up. The effective batch "
        "stays the same; batch norm, where there is any, sees the parts."
    )


def unsaved(error: OSError) -> str:
    """That there is no new snapshot."""
    return (
        f"A snapshot could not be written ({error.strerror or error}). Training goes on; is "
        "the worker's disk full?"
    )


def diverged(epoch: int, batch: int, learning_rate: float, saved_step: int | None) -> Message:
    """Where the loss became NaN or infinite, and after how many batches the last snapshot is."""
    snapshot = (
        message("run.no_snapshot")
        if saved_step is None
        else message("run.last_snapshot", step=saved_step)
    )
    return message(
        "run.diverged", epoch=epoch, batch=batch, learning_rate=learning_rate, snapshot=snapshot
    )
