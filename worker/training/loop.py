"""The training loop. It reads downward: data, network, optimizer, epochs, files.

Losses add up on the device and are read only where something is reported, so no batch waits for
the one before it. The sample order is a function of seed and epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from core.catalogue import DATASETS
from core.errors import TrainyardError
from core.reports import EpochEnd, Finished, Line, Reading, Report, Started
from core.spec import TrainingSpec
from worker.training import checkpoint, datasets, random
from worker.training.evaluation import evaluate
from worker.training.network import build
from worker.training.optimization import build_optimizer, build_schedule

REPORT_EVERY_BATCHES = 100
REPORT_EVERY_S = 1.0


class Diverged(TrainyardError):
    """The loss is no number any more: training cannot go on from here."""


class StopAsked(TrainyardError):
    """Somebody asked the run to stop."""


def train(
    spec: TrainingSpec,
    *,
    data: Path,
    scratch: Path,
    device: torch.device,
    report: Callable[[Report], None],
    stop_asked: Callable[[], bool],
) -> None:
    """Train by a spec and report on the way. The last report is `Finished`.

    Args:
        spec: what to train.
        data: folder of the data sets.
        scratch: folder for the finished files.
        device: where to compute.
        report: takes each report; must not be slow.
        stop_asked: asked before each batch.

    Raises:
        Diverged: the loss became infinite or no number.
        StopAsked: `stop_asked` said so.
        DataUnavailable: the data set is damaged or missing.
    """
    train_images, test_images = (part.to(device) for part in datasets.load(spec.dataset, data))
    count = len(train_images)
    batches = math.ceil(count / spec.batch_size)
    steps = batches * spec.epochs

    torch.manual_seed(spec.seed)
    network = build(spec.model, DATASETS[spec.dataset])
    network.to(memory_format=torch.channels_last).to(device)
    optimizer = build_optimizer(spec.optimizer, network.parameters())
    schedule = build_schedule(spec.schedule, optimizer, steps)

    report(
        Started(
            device=describe(device),
            threads=torch.get_num_threads(),
            epochs=spec.epochs,
            batches=batches,
        )
    )
    step = 0
    began = time.monotonic()

    def eta() -> float:
        return (time.monotonic() - began) / step * (steps - step)

    for epoch in range(1, spec.epochs + 1):
        network.train()
        order = random.order(spec.seed, epoch, count).to(device)
        epoch_loss = torch.zeros((), dtype=torch.float64, device=device)
        reported_loss, reported_images, seen = 0.0, 0, 0
        epoch_began = reported_at = time.monotonic()

        for batch, indices in enumerate(torch.split(order, spec.batch_size), 1):
            if stop_asked():
                raise StopAsked("Stopped because it was asked to.")
            images, labels = train_images.batch(indices)
            optimizer.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(network(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            learning_rate = float(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
            epoch_loss += loss.detach() * len(indices)
            seen += len(indices)
            step += 1

            is_round = batch % REPORT_EVERY_BATCHES == 0
            is_due = is_round or step == 1 or batch == batches
            if not is_due and time.monotonic() - reported_at < REPORT_EVERY_S:
                continue
            total_loss = epoch_loss.item()  # waits for the device
            now = time.monotonic()
            mean_loss = (total_loss - reported_loss) / (seen - reported_images)
            _refuse_infinite(mean_loss, epoch, batch, learning_rate)
            report(
                Reading(
                    step=step,
                    epoch=epoch,
                    batch=batch,
                    train_loss=mean_loss,
                    learning_rate=learning_rate,
                    images_per_s=(seen - reported_images) / max(now - reported_at, 1e-9),
                    eta_s=eta(),
                )
            )
            if is_round:
                report(
                    Line(
                        text=f"epoch {epoch}/{spec.epochs} batch {batch}/{batches} "
                        f"loss {mean_loss:.4f}"
                    )
                )
            reported_loss, reported_images, reported_at = total_loss, seen, now

        train_loss = epoch_loss.item() / count
        _refuse_infinite(train_loss, epoch, batches, learning_rate)
        seconds = time.monotonic() - epoch_began
        test_loss, test_accuracy = evaluate(network, test_images)
        _refuse_infinite(test_loss, epoch, batches, learning_rate)
        report(
            EpochEnd(
                epoch=epoch,
                step=step,
                batch=batches,
                train_loss=train_loss,
                test_loss=test_loss,
                test_accuracy=test_accuracy,
                learning_rate=learning_rate,
                seconds=seconds,
                images_per_s=count / seconds,
                eta_s=eta(),
            )
        )
        report(
            Line(
                text=f"epoch {epoch}/{spec.epochs} done: average loss {train_loss:.4f}, "
                f"test loss {test_loss:.4f}, test accuracy {test_accuracy:.2%}"
            )
        )

    weights_sha256, file = checkpoint.write(
        network, spec, scratch, epoch=spec.epochs, test_loss=test_loss, test_accuracy=test_accuracy
    )
    report(Finished(epoch=spec.epochs, weights_sha256=weights_sha256, files=[file]))


def describe(device: torch.device) -> str:
    """The device's name for people."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def _refuse_infinite(loss: float, epoch: int, batch: int, learning_rate: float) -> None:
    if not math.isfinite(loss):
        raise Diverged(
            f"The loss stopped being a number by epoch {epoch}, batch {batch}, at learning rate "
            f"{learning_rate:g}. Try a smaller learning rate."
        )
