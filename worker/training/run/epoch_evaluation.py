"""The evaluation after an epoch: on the validation split, where there is one, and the test set."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from worker.training.data.datasets import Images
from worker.training.optim import losses
from worker.training.outputs import evaluation
from worker.training.run.setup import RunData
from worker.training.run.snapshot_file import Measured
from worker.training.team import Team


def evaluate_epoch(
    network: nn.Module,
    data: RunData,
    loss: losses.Loss,
    *,
    epoch: int,
    train_loss: float,
    before_batch: Callable[[], None],
    team: Team,
    room: evaluation.Room,
) -> tuple[Measured, Tensor]:
    """Measure a network after an epoch.

    Args:
        network: on the device of the data.
        data: of the run.
        loss: the kind that is measured.
        epoch: the epoch that is done, from 1.
        train_loss: its mean loss.
        before_batch: called before each batch of the evaluation; may raise to end it.
        team: computes several batches at once, on a CPU.
        room: what the run knows of the device's memory.

    Returns:
        The measurements, and the network's scores of the test set, float32 (images, classes).
    """

    def measure(images: Images) -> tuple[float, float, Tensor]:
        scores = evaluation.predict(network, images, before_batch, team, room)
        return *losses.measure(loss, scores, images.labels), scores

    validation_loss = validation_accuracy = None
    if data.validation is not None:
        validation_loss, validation_accuracy, _ = measure(data.validation)
    test_loss, test_accuracy, scores = measure(data.test)
    measured = Measured(
        epoch, train_loss, validation_loss, validation_accuracy, test_loss, test_accuracy
    )
    return measured, scores
