"""The messages of a run's log."""

from __future__ import annotations

import torch

from core import formats
from core.messages import Message, message
from core.spec.spec import TrainingSpec
from worker.training.run.precision import Precision
from worker.training.run.snapshot_file import Measured, Progress


def device_name(device: torch.device) -> str:
    """The device's name for people."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def started(
    spec: TrainingSpec, device: torch.device, precision: Precision, threads: int, processes: int
) -> str:
    """The device and the precision of a run, and whether the precision was chosen for it."""
    return (
        f"Training on {device_name(device)} in {precision}"
        f"{' (auto)' if spec.compute.precision == 'auto' else ''}, "
        f"{threads} CPU {'thread' if threads == 1 else 'threads'}"
        f"{f', {processes} devices' if processes > 1 else ''}."
    )


def resumed(progress: Progress) -> str:
    """The place from which a run resumes."""
    done = f"epoch {progress.epochs}"
    if progress.batch:
        done = f"batch {progress.batch} of epoch {progress.epochs + 1}"
    return f"Resumed after {done}, from a snapshot."


def sampled(progress: Progress, epochs: int, batches: int, mean_loss: float) -> str:
    """A metric sample within an epoch, of so many epochs and batches."""
    place = f"epoch {progress.epochs + 1}/{epochs} batch {progress.batch}/{batches}"
    return f"{place} loss {formats.number(mean_loss)}"


def measured(of: Measured, epochs: int) -> str:
    """The measurements after an epoch, of so many."""
    validation = ""
    if of.validation_loss is not None and of.validation_accuracy is not None:
        validation = (
            f"validation loss {formats.number(of.validation_loss)}, "
            f"validation accuracy {formats.percent(of.validation_accuracy)}, "
        )
    return (
        f"epoch {of.epoch}/{epochs} done: average loss {formats.number(of.train_loss)}, "
        f"{validation}test loss {formats.number(of.test_loss)}, "
        f"test accuracy {formats.percent(of.test_accuracy)}"
    )


def published(best: Measured, last: Measured) -> str:
    """The epoch whose weights are published, where it is not the last."""
    return (
        f"Published are the weights of epoch {best.epoch}, with the lowest validation loss: test "
        f"accuracy {formats.percent(best.test_accuracy)}. The last epoch, {last.epoch}, had "
        f"{formats.percent(last.test_accuracy)}."
    )


def lowered(patience: int, factor: float) -> str:
    """A plateau, at which the learning rate is lowered."""
    return (
        f"The loss did not improve for {patience} epochs: the learning rate is multiplied by "
        f"{formats.short(factor)}."
    )


def shrunk(micro_batch: int) -> str:
    """Micro-batches that became smaller because memory was full."""
    return (
        "The device's memory is full: each batch is computed in micro-batches of at most "
        f"{micro_batch} images from here on, whose gradients are summed. The effective batch size "
        "stays the same; batch norm, where there is any, sees the micro-batches."
    )


def unsaved(error: OSError) -> str:
    """A snapshot that could not be written."""
    return (
        f"A snapshot could not be written ({error.strerror or error}). Training continues; is "
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
